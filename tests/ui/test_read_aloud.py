"""An answer is read aloud, where the browser has a voice; Chromium here has none of its own."""

from typing import Any

from playwright.sync_api import expect

from tests.ui.looking import Looking, Seen
from xiaozhi.chat_models.scripted import Says, Scripted

# As a browser's, but silent: a sentence ends when the test says so.
VOICES = """
window.heard = [];
window.cut = 0;
window.listeners = [];
window.voices = [
  { lang: "en_GB", name: "British", localService: false },
  { lang: "en-US", name: "American", localService: true },
  { lang: "zh-CN", name: "Chinese", localService: true },
];
window.SpeechSynthesisUtterance = class { constructor(text) { this.text = text; } };
Object.defineProperty(window, "speechSynthesis", { value: {
  getVoices: () => window.voices,
  addEventListener: (_name, listener) => window.listeners.push(listener),
  speak: (said) => window.heard.push(said),
  cancel: () => window.cut++,
} });
"""
NO_SPEECH = "Object.defineProperty(window, 'speechSynthesis', { value: undefined });"


def answered(look: Looking, model: Scripted, *answers: str, speech: str, **options: Any) -> Seen:
    model.script = [Says([answer]) for answer in answers]
    seen = look(**options)
    for number, _answer in enumerate(answers):
        seen.ask(f"Question {number}")
        expect(seen.questions).to_have_count(number + 1)
        expect(seen.page.locator('[class*="st-key-under_"]')).to_have_count(number + 1)
    seen.page.add_init_script(speech)
    seen.page.reload()
    expect(seen.page.locator('[class*="st-key-under_"]')).to_have_count(len(answers))
    return seen


def heard(seen: Seen) -> list[list[str]]:
    return seen.page.evaluate(
        "window.heard.map(said => [said.text.trim(), said.lang, said.voice.name])"
    )


def end_sentence(seen: Seen) -> None:
    seen.page.evaluate("window.heard.at(-1).onend()")


def test_it_is_read_sentence_by_sentence_in_its_language(look: Looking, model: Scripted):
    answer = (
        "# 你好\n\n**世界**真大！看[这里](https://example.com/x)。\n\n```py\nprint(1)\n```\n\n再见"
    )
    seen = answered(look, model, answer, speech=VOICES)
    read, stop = seen.button("朗读"), seen.button("停止朗读")
    read.click()
    expect(stop).to_be_visible()
    said = ["你好", "世界真大！", "看这里。", "再见"]
    for number in range(len(said)):
        assert heard(seen)[number:] == [[said[number], "zh-CN", "Chinese"]]
        end_sentence(seen)
    # At the end it is silent by itself.
    expect(stop).to_have_count(0)
    expect(read).to_be_visible()


def test_a_second_click_stops_it_and_another_answer_too(look: Looking, model: Scripted):
    seen = answered(look, model, "One. Two.", "Three. Four.", speech=VOICES, locale="en-US")
    read, stop = seen.button("Read aloud"), seen.button("Stop reading")
    read.first.click()
    stop.click()
    expect(stop).to_have_count(0)
    assert seen.page.evaluate("window.cut") == 1
    read.first.click()
    read.click()
    expect(stop).to_have_count(1)
    end_sentence(seen)
    assert heard(seen) == [
        ["One.", "en-US", "American"],
        ["One.", "en-US", "American"],
        ["Three.", "en-US", "American"],
        ["Four.", "en-US", "American"],
    ]


def test_where_nothing_can_speak_nothing_offers_it(look: Looking, model: Scripted):
    seen = answered(look, model, "你好", speech=NO_SPEECH)
    expect(seen.page.get_by_role("button", name="复制", exact=True)).to_be_visible()
    expect(seen.button("朗读")).to_have_count(0)


def test_voices_that_come_late_are_waited_for_once(look: Looking, model: Scripted):
    """Each redraw of a row made one more listener, which never went away."""
    seen = answered(look, model, "One.", "Two.", speech=VOICES, locale="en-US")
    for number in range(3):
        model.script = [Says("More.")]
        seen.ask(f"More {number}")
        expect(seen.page.locator('[class*="st-key-under_"]')).to_have_count(3 + number)
    assert seen.page.evaluate("window.listeners.length") == 1
    read = seen.button("Read aloud")
    expect(read).to_have_count(5)
    tell = "window.listeners.forEach(listener => listener())"
    seen.page.evaluate(f"window.voices.length = 0; {tell}")
    expect(read).to_have_count(0)
    seen.page.evaluate(f"window.voices.push({{ lang: 'en-US', name: 'Late' }}); {tell}")
    expect(read).to_have_count(5)
