"""How many messages there are, from look to look; no browser."""

from xiaozhi.ui.counted import KEPT, Counted, Counts, counted


def at(first: int, behind: int) -> list[str]:
    return [str(number) for number in range(first, behind)]


def never() -> int:
    raise AssertionError("all messages are read")


def test_what_is_not_known_is_read():
    assert counted(None, "one", at(60, 100), lambda: 100) == Counted("one", 60, at(60, 100))


def test_of_another_conversation_nothing_is_known():
    known = Counted("one", 60, at(60, 100))
    assert counted(known, "other", at(60, 100), lambda: 300).count == 300


def test_what_came_is_added():
    known = Counted("one", 60, at(60, 100))
    found = counted(known, "one", at(62, 102), never)
    assert (found.before, found.count) == (62, 102)


def test_what_was_taken_away_is_missing():
    known = Counted("one", 60, at(60, 100))
    assert counted(known, "one", at(58, 98), never).count == 98
    left = [id for id in at(59, 100) if id != "70"]
    assert counted(known, "one", left, never).count == 99


def test_earlier_ones_that_are_shown_count_once():
    known = Counted("one", 60, at(60, 100))
    found = counted(known, "one", at(20, 100), never)
    assert (found.before, found.count) == (20, 100)


def test_where_all_are_new_they_are_read_again():
    known = Counted("one", 60, at(60, 100))
    assert counted(known, "one", at(160, 200), lambda: 200).count == 200


def test_a_page_that_goes_to_and_fro_counts_each_once():
    counts = Counts()
    for thread_id, count in (("one", 300), ("other", 500)):
        counts.keep(counted(counts.of(thread_id), thread_id, at(60, 100), lambda n=count: n))
    for thread_id, count in (("one", 300), ("other", 500)):
        assert counted(counts.of(thread_id), thread_id, at(60, 100), never).count == count


def test_only_the_last_ones_are_remembered():
    counts = Counts()
    for number in range(KEPT + 1):
        counts.keep(Counted(str(number), 0, []))
    assert counts.of("0") is None
    assert counts.of("1") == Counted("1", 0, [])
