"""Whoever goes through the page with the Tab key sees at each stop where that is."""

from typing import Any

import pytest
from playwright.sync_api import Page, expect

from tests.ui.looking import Looking
from tests.ui.test_accessible import RICH
from tests.ui.test_settings import settings_of
from xiaozhi.chat_models.scripted import Says, Scripted

MOST_STOPS = 120
LOOKS: dict[str, dict[str, Any]] = {
    scheme: {"color_scheme": scheme, "reduced_motion": "reduce"} for scheme in ("light", "dark")
}

# How the focused thing looks, and how without the focus, which it gets back. A ring is its own; a
# field is marked by the border of the frame around it.
SEEN = """async () => {
  // A ring may grow in a transition, which takes its time on a busy machine.
  const rest = async () => {
    await new Promise((done) => setTimeout(done, 60));
    const moving = thing.getAnimations().filter((one) => one instanceof CSSTransition);
    await Promise.allSettled(moving.map((one) => one.finished));
  };
  let thing = document.activeElement;
  while (thing?.shadowRoot?.activeElement) thing = thing.shadowRoot.activeElement;
  if (!thing || thing === document.body) return null;
  const isField = thing.matches("input:not([type=radio]), textarea");
  const ring = (style) => [
    style.outlineStyle === "none" ? "" : `${style.outlineWidth} ${style.outlineColor}`,
    style.boxShadow,
  ];
  const look = () => {
    const told = ring(getComputedStyle(thing));
    for (let frame = thing, up = 0; isField && frame && up < 5; up++, frame = frame.parentElement) {
      const { borderTopWidth, borderTopColor } = getComputedStyle(frame);
      if (borderTopWidth !== "0px") told.push(borderTopColor);
    }
    return told.join(", ");
  };
  await rest();
  const focused = look();
  const dialog = thing.closest("[role=dialog]");
  // A dialog keeps the focus in it.
  if (dialog) [...dialog.querySelectorAll("button")].find((other) => other !== thing).focus();
  else thing.blur();
  await rest();
  const left = look();
  thing.focus({ focusVisible: true });
  const name = thing.ariaLabel || thing.placeholder || thing.textContent.trim();
  const [tag, inDialog] = [thing.tagName, dialog !== null];
  return { name: `${tag} ${name.slice(0, 30)}`, isField, focused, left, inDialog };
}"""


@pytest.fixture(params=list(LOOKS))
def options(request: pytest.FixtureRequest) -> dict[str, Any]:
    return LOOKS[request.param]


def stops(page: Page) -> list[dict[str, Any]]:
    """Those of the Tab key, from the beginning of the page until it has been gone through."""
    found: list[dict[str, Any]] = []
    for _ in range(MOST_STOPS):
        page.keyboard.press("Tab")
        stop: dict[str, Any] | None = page.evaluate(SEEN)
        if stop is None:
            return found
        found.append(stop)
    raise AssertionError("The Tab key comes to no end")


def unseen(found: list[dict[str, Any]]) -> list[str]:
    """Those that look as ever, or have a ring that is faint or thin. One line each."""
    return [
        f"{stop['name']}: {stop['focused']}"
        for stop in found
        if stop["focused"] == stop["left"]
        or not (stop["isField"] or stop["focused"].startswith("2px rgb("))
    ]


def names(found: list[dict[str, Any]]) -> str:
    return "\n".join(stop["name"] for stop in found)


@pytest.mark.timeout(120)
def test_the_keyboard_is_seen_on_the_empty_page(look: Looking, options: dict[str, Any]):
    seen = look(**options)
    expect(seen.button("写点什么")).to_be_visible()
    found = stops(seen.page)
    for name in ("跳到主要内容", "新对话", "搜索对话", "设置", "小智， 你好！", "翻译"):
        assert name in names(found)
    assert unseen(found) == []


@pytest.mark.timeout(120)
def test_the_keyboard_is_seen_in_a_conversation(
    look: Looking, model: Scripted, options: dict[str, Any]
):
    model.script = [Says([RICH])]
    seen = look(**options)
    seen.ask("键盘 走一遍")
    expect(seen.answers.last.locator("table")).to_be_visible()
    expect(seen.button("重新回答")).to_be_visible()
    seen.page.reload()
    expect(seen.button("重新回答")).to_be_visible()
    found = stops(seen.page)
    for name in ("编辑问题", "链接", "复制", "回答得好", "重新回答", "小智， 你好！"):
        assert name in names(found)
    assert unseen(found) == []


def test_the_keyboard_is_seen_in_the_settings(look: Looking, options: dict[str, Any]):
    seen = look(**options)
    settings = settings_of(seen)
    settings.get_by_role("button", name="删除所有对话").click()
    expect(settings.get_by_role("button", name="全部保留")).to_be_visible()
    found: list[dict[str, Any]] = []
    # A dialog holds the focus: it goes round in it.
    while not found or found[-1]["name"] not in [stop["name"] for stop in found[:-1]]:
        seen.page.keyboard.press("Tab")
        found.append(seen.page.evaluate(SEEN))
        assert found[-1]["inDialog"]
    for name in ("关闭", "跟随", "全部删除", "全部保留"):
        assert name in names(found)
    assert unseen(found) == []
