"""Questions with pictures: chosen, pasted; refused, held, shown again."""

import base64
import re
from io import BytesIO
from pathlib import Path
from typing import Any

from openai import OpenAI
from PIL import Image
from playwright.sync_api import FilePayload, Locator, expect

from tests.running import Running
from tests.ui.looking import Looking, Seen
from xiaozhi.chat_models.scripted import Fails, Says, Scripted
from xiaozhi.ui import export
from xiaozhi.ui.pictures import LONGEST_EDGE

WAITS = "等这次回答结束后发送"
TEXT = FilePayload(name="notes.png", mimeType="image/png", buffer=b"only words")

# What a browser tells when a person pastes a picture
PASTE = """(box, [name, base64]) => {
  const bytes = Uint8Array.from(atob(base64), sign => sign.charCodeAt(0));
  const carried = new DataTransfer();
  carried.items.add(new File([bytes], name, { type: "image/png" }));
  const options = { bubbles: true, cancelable: true, clipboardData: carried };
  box.dispatchEvent(new ClipboardEvent("paste", options));
}"""


def picture(name: str = "红.png", *, size: tuple[int, int] = (60, 40), colour: str = "red"):
    held = BytesIO()
    Image.new("RGB", size, colour).save(held, "PNG")
    return FilePayload(name=name, mimeType="image/png", buffer=held.getvalue())


def chips(seen: Seen) -> Locator:
    return seen.page.get_by_test_id("stFileChip")


def shown(seen: Seen) -> Locator:
    """The pictures of the conversation."""
    return seen.page.locator('[class*="st-key-ub_"] [data-testid="stImage"] img')


def held(seen: Seen) -> Locator:
    """Those above the composer."""
    return seen.page.locator(".st-key-held img")


def choose(seen: Seen, *pictures: FilePayload) -> None:
    seen.page.locator('[data-testid="stChatInput"] input[type=file]').set_input_files(pictures)
    expect(chips(seen)).to_have_count(len(pictures))
    # Until it is there the picture has no preview to be sent with.
    for chip in chips(seen).all():
        expect(chip.locator("img, [data-testid=stFileChipIconError]")).to_be_visible()


def send(seen: Seen) -> None:
    seen.page.get_by_test_id("stChatInputSubmitButton").click()


def parts(model: Scripted) -> list[dict[str, Any]]:
    """What the model was asked at last."""
    content = model.requests[-1]["messages"][-1]["content"]
    return [{"type": "text", "text": content}] if isinstance(content, str) else content


def colour(part: dict[str, Any]) -> tuple[int, int, int]:
    _head, _comma, data = part["image_url"]["url"].partition(";base64,")
    with Image.open(BytesIO(base64.b64decode(data))) as opened:
        found = opened.convert("RGB").getpixel((1, 1))
    assert isinstance(found, tuple)
    return found[0], found[1], found[2]


def thread_of(seen: Seen) -> str:
    seen.page.wait_for_url(re.compile(r"\?c=thread_"))
    return seen.page.url.partition("?c=")[2]


def test_chosen_ones_go_with_the_words_and_stay(look: Looking, client: OpenAI, model: Scripted):
    model.script = [Says("红和蓝")]
    seen = look()
    choose(seen, picture(), picture("蓝.png", colour="blue"))
    seen.ask("什么颜色？")
    seen.says("红和蓝")
    words, red, blue = parts(model)
    assert words == {"type": "text", "text": "什么颜色？"}
    assert (colour(red), colour(blue)) == ((255, 0, 0), (0, 0, 255))
    expect(seen.questions).to_have_text(["什么颜色？"])
    expect(chips(seen)).to_have_count(0)

    for tab in (seen, look(seen.page.url)):
        tab.page.reload()
        expect(shown(tab)).to_have_count(2)
        alts = [each.get_attribute("alt") for each in shown(tab).all()]
        assert alts == ["图片 1/2", "图片 2/2"]
        # An address, and not the bytes: a browser fetches it once.
        assert "/media/" in str(shown(tab).first.get_attribute("src"))


def test_one_opens_larger(look: Looking, client: OpenAI):
    url = base64.b64encode(picture(size=(800, 600))["buffer"]).decode()
    seen = look(f"{look.address}?c={with_picture(client, f'data:image/png;base64,{url}')}")
    small = shown(seen).bounding_box()
    shown(seen).hover()
    seen.page.locator('[class*="st-key-ub_"] [data-testid="stElementToolbar"] button').click()
    expect(seen.page.locator('[data-testid="stFullScreenFrame"] img').first).to_be_visible()
    seen.page.wait_for_function(
        "least => document.querySelector('[class*=st-key-ub_] img').clientWidth > least",
        arg=small["width"] * 2 if small else 0,
    )
    seen.page.keyboard.press("Escape")
    seen.page.wait_for_function(
        "most => document.querySelector('[class*=st-key-ub_] img').clientWidth <= most",
        arg=small["width"] + 1 if small else 0,
    )


def test_it_is_pasted(look: Looking, model: Scripted):
    model.script = [Says("红")]
    seen = look()
    data = base64.b64encode(picture()["buffer"]).decode()
    seen.composer.evaluate(PASTE, ["红.png", data])
    expect(chips(seen).locator("img")).to_be_visible()
    seen.ask("什么颜色？")
    seen.says("红")
    assert colour(parts(model)[1]) == (255, 0, 0)


def test_a_picture_alone_is_a_question(look: Looking, client: OpenAI, model: Scripted):
    model.script = [Says("红")]
    seen = look()
    choose(seen, picture())
    send(seen)
    seen.says("红")
    [only] = parts(model)
    assert colour(only) == (255, 0, 0)
    expect(seen.questions).to_have_text([""])
    expect(shown(seen)).to_have_attribute("alt", "一张图片")
    row = seen.page.locator('[class*="st-key-row_"][class*="_on"]')
    expect(row).to_have_text(re.compile("图片"))


def test_a_large_one_is_made_smaller(look: Looking, model: Scripted):
    model.script = [Says("大")]
    seen = look()
    choose(seen, picture(size=(4000, 1000)))
    seen.ask("多大？")
    seen.says("大")
    data = parts(model)[1]["image_url"]["url"].partition(";base64,")[2]
    with Image.open(BytesIO(base64.b64decode(data))) as opened:
        assert opened.size == (LONGEST_EDGE, LONGEST_EDGE // 4)


def test_what_is_no_picture_is_told_and_the_rest_is_kept(look: Looking, model: Scripted):
    model.script = [Says("红")]
    seen = look()
    choose(seen, picture(), TEXT)
    seen.ask("什么颜色？")
    expect(seen.page.get_by_text("“notes.png”不是能读取的图片")).to_be_visible()
    expect(seen.composer).to_have_value("什么颜色？")
    expect(held(seen)).to_have_count(1)
    assert model.requests == []
    send(seen)
    seen.says("红")
    assert [part["type"] for part in parts(model)] == ["text", "image_url"]
    expect(held(seen)).to_have_count(0)


def test_other_kinds_and_sizes_are_told_before_they_are_sent(look: Looking, tmp_path: Path):
    seen = look()
    words = seen.page.get_by_text("只能发送 20 MB 以内的图片")
    choose(seen, picture())
    expect(words).to_be_hidden()
    choose_more = seen.page.locator('[data-testid="stChatInput"] input[type=file]')
    choose_more.set_input_files(
        [FilePayload(name="notes.pdf", mimeType="application/pdf", buffer=b"%PDF")]
    )
    expect(words).to_be_visible()
    seen.page.get_by_role("button", name="notes.pdf").get_by_role("button").click()
    expect(words).to_be_hidden()
    huge = tmp_path / "huge.png"
    huge.write_bytes(b"0" * (20 * 2**20 + 1))
    choose_more.set_input_files(huge)
    expect(words).to_be_visible()


def test_more_than_ten_are_too_many(look: Looking, model: Scripted):
    model.script = [Says("十")]
    seen = look()
    choose(seen, *(picture(f"{number}.png") for number in range(11)))
    seen.ask("几张？")
    expect(seen.page.get_by_text("一个问题最多带 10 张图片")).to_be_visible()
    expect(held(seen)).to_have_count(10)
    send(seen)
    seen.says("十")
    assert [part["type"] for part in parts(model)] == ["text", *["image_url"] * 10]


def test_held_ones_go_without_words_or_not_at_all(look: Looking, model: Scripted):
    model.script = [Says("没有图"), Says("红")]
    seen = look()
    choose(seen, picture(), TEXT)
    seen.ask("你好")
    expect(held(seen)).to_have_count(1)
    seen.button("移除").click()
    expect(held(seen)).to_have_count(0)
    seen.ask("你好")
    seen.says("没有图")
    assert parts(model) == [{"type": "text", "text": "你好"}]
    choose(seen, picture(), TEXT)
    send(seen)
    expect(held(seen)).to_have_count(1)
    seen.button("不写文字，直接发送").click()
    seen.says("红")
    assert [part["type"] for part in parts(model)] == ["image_url"]


def test_a_model_that_cannot_see_is_told_before_and_nothing_is_lost(
    look: Looking, client: OpenAI, model: Scripted
):
    thread = client.beta.threads.create(metadata={"app": "xiaozhi", "model": "blind"})
    client.beta.threads.messages.create(thread.id, role="user", content="你好")
    seen = look(f"{look.address}?c={thread.id}")
    warning = seen.page.get_by_text("Blind 看不了图片。", exact=True)
    expect(warning).to_be_hidden()
    choose(seen, picture())
    expect(warning).to_be_visible()
    seen.ask("什么颜色？")
    expect(seen.page.get_by_text("请在上方换一个模型")).to_be_visible()
    expect(seen.composer).to_have_value("什么颜色？")
    expect(held(seen)).to_have_count(1)
    assert model.requests == []


def test_a_model_that_turns_out_not_to_see_says_so(look: Looking, model: Scripted):
    model.script = [Fails(400, "scripted does not support images"), Says("红")]
    seen = look()
    choose(seen, picture())
    seen.ask("什么颜色？")
    expect(seen.page.get_by_text("这个模型看不了图片。")).to_be_visible()
    expect(shown(seen)).to_have_count(1)
    seen.button("再试一次").click()
    seen.says("红")
    assert colour(parts(model)[1]) == (255, 0, 0)


def test_one_that_waits_is_shown_and_comes_back(look: Looking, model: Scripted):
    model.script = [Says(["啊"] * 2000, pause=0.05)]
    seen = look()
    seen.ask("先问的")
    expect(seen.answers.last).to_contain_text("啊啊")
    choose(seen, picture())
    seen.ask("等着的")
    expect(seen.page.get_by_text(WAITS)).to_be_visible()
    seen.page.reload()
    expect(seen.page.get_by_text(WAITS)).to_be_visible()
    expect(shown(seen)).to_have_count(1)
    seen.button("撤回").click()
    expect(seen.page.get_by_text(WAITS)).to_be_hidden()
    expect(seen.composer).to_have_value("等着的")
    expect(held(seen)).to_have_count(1)
    seen.stop.click()
    expect(seen.stop).to_have_count(0)


def test_pictures_of_other_programs_are_fetched_by_nobody(look: Looking, client: OpenAI):
    """Whatever the page asks of another origin fails the test (conftest)."""
    thread = with_picture(client, "https://pictures.example/a_(1).png?x=1")
    said: Any = [
        {"type": "text", "text": "看"},
        {"type": "image_url", "image_url": {"url": "data:image/svg+xml;base64,PHN2Zy8+"}},
        {"type": "image_url", "image_url": {"url": "data:image/png;base64,YSBkb3Q="}},
    ]
    client.beta.threads.messages.create(thread, role="assistant", content=said)
    seen = look(f"{look.address}?c={thread}")
    link = seen.questions.get_by_role("link")
    expect(link).to_have_attribute("href", "https://pictures.example/a_%281%29.png?x=1")
    expect(seen.answers.get_by_text("一张无法显示的图片")).to_have_count(2)
    expect(seen.page.locator('[data-testid="stImage"]')).to_have_count(0)


def test_on_a_phone_they_have_room(look: Looking, model: Scripted):
    model.script = [Says("红和蓝")]
    seen = look(viewport={"width": 390, "height": 844}, has_touch=True, is_mobile=True)
    upload = seen.page.get_by_test_id("stChatInputFileUploadButton").bounding_box()
    assert upload
    assert min(upload["width"], upload["height"]) >= 40
    choose(seen, picture(size=(900, 600)), picture(size=(300, 900), colour="blue"))
    seen.ask("什么颜色？")
    seen.says("红和蓝")
    expect(shown(seen)).to_have_count(2)
    for each in shown(seen).all():
        box = each.bounding_box()
        assert box
        assert box["x"] >= 0
        assert box["x"] + box["width"] <= 390
    assert seen.page.evaluate("document.documentElement.scrollWidth") <= 390


def test_a_file_to_keep_names_them(look: Looking, client: OpenAI, server: Running):
    url = base64.b64encode(picture()["buffer"]).decode()
    thread = with_picture(client, f"data:image/png;base64,{url}")
    seen = look(f"{look.address}?c={thread}")
    expect(shown(seen)).to_have_count(1)
    messages = client.beta.threads.messages.list(thread).data
    assert export.said(messages[0]) == ["看这个", "[A picture]"]


def with_picture(client: OpenAI, url: str) -> str:
    """A thread with a question that shows what is at `url`."""
    content: Any = [
        {"type": "text", "text": "看这个"},
        {"type": "image_url", "image_url": {"url": url}},
    ]
    return client.beta.threads.create(messages=[{"role": "user", "content": content}]).id
