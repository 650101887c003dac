"""The page, as somebody who looks at it and types into it."""

from collections.abc import Callable
from typing import Any

from playwright.sync_api import Locator, Page, expect

from xiaozhi.chat_models.scripted import Says

# An answer that grows: while the model is held it does not end.
GROWING = Says([f"字{number} " for number in range(30)], pause=0.02, can_be_held=True)
GROWN = "".join(GROWING.text).strip()

expect.set_options(timeout=30_000)


class Seen:
    """One open page."""

    def __init__(self, page: Page) -> None:
        self.page = page

    @property
    def composer(self) -> Locator:
        return self.page.locator('[data-testid="stChatInput"] textarea')

    @property
    def questions(self) -> Locator:
        return self.page.locator('[class*="st-key-ub_"]')

    @property
    def answers(self) -> Locator:
        return self.page.locator('[class*="st-key-a_"]')

    @property
    def stop(self) -> Locator:
        return self.page.locator(".st-key-stop button")

    def ask(self, words: str) -> None:
        self.composer.fill(words)
        self.composer.press("Enter")

    def says(self, words: str) -> None:
        """The last answer is `words`, and finished."""
        expect(self.answers.last).to_have_text(words)
        expect(self.stop).to_have_count(0)

    def button(self, words: str) -> Locator:
        return self.page.get_by_role("button", name=words)


class Looking:
    def __init__(self, address: str, new_page: Callable[..., Page]) -> None:
        self.address = address
        self._new_page = new_page

    def __call__(self, address: str = "", **options: Any) -> Seen:
        """Opens the page; waits until something can be typed or read."""
        seen = self.at(address or self.address, **options)
        ready = '[data-testid="stChatInput"], [data-testid="stAlert"]'
        expect(seen.page.locator(ready).first).to_be_visible()
        return seen

    def at(self, address: str, **options: Any) -> Seen:
        """Opens the page; waits for nothing."""
        page = self._new_page(**options)
        page.goto(address)
        return Seen(page)
