"""A question as the API takes it: words, pictures, or both."""

from xiaozhi.ui.question import Picture, Question

DOT = Picture(b"a dot", "image/png")
DOT_PART = {"type": "image_url", "image_url": {"url": "data:image/png;base64,YSBkb3Q="}}


def test_words_come_before_the_pictures():
    asked = Question("What is this?", (DOT, DOT))
    assert asked.parts() == [{"type": "text", "text": "What is this?"}, DOT_PART, DOT_PART]


def test_a_question_can_be_words_only_or_pictures_only():
    assert Question("Hello").parts() == [{"type": "text", "text": "Hello"}]
    assert Question("", (DOT,)).parts() == [DOT_PART]
