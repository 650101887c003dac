"""What axe-core finds on the page, in each of its states: nothing serious."""

from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe  # pyright: ignore[reportMissingTypeStubs]
from openai import OpenAI
from playwright.sync_api import Page, expect

from tests.ui.conftest import at_a_function
from tests.ui.looking import GROWING, GROWN, Looking
from tests.ui.test_history import PHONE
from xiaozhi.chat_models.scripted import Calls, Says, Scripted

LOOKS: dict[str, dict[str, Any]] = {
    "light": {"color_scheme": "light"},
    "dark": {"color_scheme": "dark"},
    "phone": {**PHONE, "color_scheme": "light"},
}
RICH = """## 标题

一段 **重要** 的话，公式 $E=mc^2$，[链接](https://example.com)。

| 列 | 值 |
|---|---|
| 甲 | 1 |

```python
print("你好")
```
"""


@pytest.fixture(params=list(LOOKS))
def options(request: pytest.FixtureRequest) -> dict[str, Any]:
    return LOOKS[request.param]


# What Streamlit alone can mend. The closed drawer of a phone counts as a part that scrolls and that
# no key reaches; its button, which does, opens it.
LEFT = [("scrollable-region-focusable", "stSidebarContent")]


def serious(page: Page) -> list[str]:
    """One line each: which rule, where."""
    axe: Any = Axe()
    found: list[dict[str, Any]] = axe.run(page).response["violations"]
    return [
        f"{each['id']}: {node['html'][:200]} {node['failureSummary'][:200]}"
        for each in found
        if each["impact"] in ("serious", "critical")
        for node in each["nodes"]
        if not any(each["id"] == rule and place in node["html"] for rule, place in LEFT)
    ]


def test_the_empty_page(look: Looking, options: dict[str, Any]):
    assert serious(look(**options).page) == []


def test_a_conversation_and_one_that_grows(look: Looking, model: Scripted, options: dict[str, Any]):
    model.script = [Says([RICH]), GROWING]
    seen = look(**options)
    seen.ask("什么都来一点")
    expect(seen.answers.last.locator("table")).to_be_visible()
    expect(seen.stop).to_have_count(0)
    assert serious(seen.page) == []
    with model.held():
        seen.ask("再慢慢说")
        expect(seen.answers.last).to_contain_text("字3")
        assert serious(seen.page) == []
    seen.says(GROWN)


def test_a_function_that_is_asked_for(look: Looking, client: OpenAI, model: Scripted):
    model.script = [Calls([("weather", '{"city": "杭州"}')])]
    seen = at_a_function(look, client)
    expect(seen.page.get_by_text('"city": "杭州"')).to_be_visible()
    assert serious(seen.page) == []


def test_the_assistants(look: Looking, options: dict[str, Any]):
    seen = look.at(f"{look.address}?page=assistants", **options)
    expect(seen.page.locator('[class*="st-key-assistant_asst_"]').first).to_be_visible()
    assert serious(seen.page) == []
    seen.page.goto(f"{look.address}?page=assistants&a=new")
    expect(seen.button("创建")).to_be_visible()
    assert serious(seen.page) == []


def test_the_settings(look: Looking, options: dict[str, Any]):
    seen = look(**options)
    if "viewport" in options:
        seen.page.locator('[data-testid="stExpandSidebarButton"]').click()
    seen.button("设置").click()
    expect(seen.page.get_by_role("dialog").get_by_text("外观")).to_be_visible()
    assert serious(seen.page) == []
