"""Which pages have a conversation open; no browser."""

from xiaozhi.ui.open_pages import OpenPages


def test_one_that_is_left_is_open_in_another_page():
    pages = OpenPages(lasts=60)
    for page in ("one", "other"):
        pages.see("thread", page)
    pages.leave("thread", "one")
    assert 50 < pages.seconds_open("thread") <= 60
    pages.leave("thread", "other")
    assert pages.seconds_open("thread") == 0


def test_a_page_that_says_nothing_is_not_open_for_ever():
    pages = OpenPages(lasts=0)
    pages.see("thread", "one")
    assert pages.seconds_open("thread") == 0


def test_of_an_unknown_one_nothing_is_known():
    pages = OpenPages(lasts=60)
    pages.leave("thread", "one")
    assert pages.seconds_open("thread") == 0
