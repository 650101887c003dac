"""Functions and schemas as people type them: read in every form, and told what is wrong where."""

from typing import Any

import pytest
from openai.types.beta import Assistant

from xiaozhi.ui.assistant_draft import Draft, changes, creation, draft_of
from xiaozhi.ui.definitions import answer_format, as_typed, functions
from xiaozhi.ui.typed_json import Wrong, read

WEATHER: dict[str, Any] = {"name": "weather", "parameters": {"type": "object"}}


def assistant(**fields: Any) -> Assistant:
    return Assistant.model_validate(
        {
            "id": "asst_1",
            "object": "assistant",
            "created_at": 0,
            "model": "default",
            "tools": [],
            **fields,
        }
    )


@pytest.mark.parametrize(
    "typed",
    [
        '[{"name": "weather", "parameters": {"type": "object"}}]',
        '{"name": "weather", "parameters": {"type": "object"}, "strict": null}',
        '[{"type": "function", "function": {"name": "weather", "parameters": {"type": "object"}}}]',
        '[{"type": "function", "name": "weather", "parameters": {"type": "object"}}]',
    ],
)
def test_a_function_is_read_in_each_form_that_openai_shows(typed: str):
    assert functions(typed) == [WEATHER]


def test_what_is_shown_is_read_again():
    assert functions(as_typed([WEATHER, {"name": "news", "strict": True}])) == [
        WEATHER,
        {"name": "news", "strict": True},
    ]
    assert as_typed([]) == ""
    assert functions(" \n ") == []


@pytest.mark.parametrize(
    ("typed", "line", "said"),
    [
        ('[\n {"name": "a"}\n {"name": "b"}\n]', 3, "A comma or a bracket is missing"),
        ('[\n {"name": "a"},\n]', 3, "A value is missing here"),
        ('[\n {“name”: "a"}]', 2, '“ is a full-width sign: JSON has "'),
        ('[{"name"： "a"}]', 1, "： is a full-width sign: JSON has :"),
        ('[\n\n {"name": "天气"}]', 3, "天气 cannot be a name"),
        ('[{"name": "a"},\n {\n "name": "a"}]', 2, "two functions of the name a"),
        ('[{"name": "a",\n "parameters": []}]', 2, "parameters must be an object"),
        ('[{"name": "a",\n "strict": 1}]', 2, "strict must be true or false"),
        ('[{"name": "a",\n "arguments": {}}]', 2, "arguments is not known here"),
        ('[{"type": "function",\n "function": {"name": ""}}]', 2, '"" cannot be a name'),
        ("[\n 7]", 2, "An object in curly brackets is expected"),
        ('[\n {"description": "?"}]', 2, "A name is missing"),
        ('[{"name": "a\n"}]', 1, "A text cannot go over several lines"),
        ('[{"name": "a"}]\n[]', 2, "The JSON has ended before"),
        ('[{"name": NaN}]', 1, "a number or a character that JSON does not have"),
        ('[{"name": "a", "parameters": {"x": 1e999}}]', 1, "a number or a character"),
        ('[{"name": "\\ud800"}]', 1, "a number or a character"),
        ("[" * 100_000, 1, "nested too deeply"),
        ("[" + ",".join(f'{{"name": "f{n}"}}' for n in range(129)) + "]", 1, "more than 128"),
    ],
)
def test_it_is_told_what_is_wrong_and_on_which_line(typed: str, line: int, said: str):
    with pytest.raises(Wrong) as wrong:
        functions(typed)
    assert said in str(wrong.value)
    assert wrong.value.line == line


def test_each_value_knows_its_line():
    typed = read('{"a": [1,\n {"": "x,\\"{", "b":\n null}],\n"c": {}}')
    assert typed.lines == {
        (): 1,
        ("a",): 1,
        ("a", 0): 1,
        ("a", 1): 2,
        ("a", 1, ""): 2,
        ("a", 1, "b"): 3,
        ("c",): 4,
    }


def test_a_schema_comes_with_its_name():
    schema = {"name": "words", "schema": {"type": "object"}}
    typed = '{"name": "words", "schema": {"type": "object"}}'
    assert answer_format(typed) == schema
    assert answer_format(f'{{"type": "json_schema", "json_schema": {typed}}}') == schema
    with pytest.raises(Wrong, match="type is not known here"):
        answer_format('{"type": "object"}')
    with pytest.raises(Wrong, match="missing"):
        answer_format("")


def test_only_what_was_changed_is_told():
    search = {"type": "file_search"}
    old = assistant(
        name="Zero",
        temperature=0.7,
        tools=[search, {"type": "function", "function": WEATHER}],
        response_format="auto",
        metadata={"kept": "yes"},
    )
    draft = draft_of(old)
    assert changes(old, draft) == {}
    draft.instructions = "Be brief."
    draft.format = "json_object"
    assert changes(old, draft) == {
        "instructions": "Be brief.",
        "response_format": {"type": "json_object"},
    }
    draft = draft_of(old)
    draft.functions = '{"name": "news"}'
    # The tools of other kinds stay: the list is replaced whole.
    news = {"type": "function", "function": {"name": "news"}}
    assert changes(old, draft) == {"tools": [search, news]}


def test_a_new_one_needs_a_model_only():
    assert creation(Draft()) == {"model": "default"}
    draft = Draft(name="Zero", format="json_schema", schema='{"name": "words"}')
    assert creation(draft) == {
        "model": "default",
        "name": "Zero",
        "response_format": {"type": "json_schema", "json_schema": {"name": "words"}},
    }
