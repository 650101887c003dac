"""Places and the queues before them: nobody is starved, and nothing is forgotten."""

from tests.runs.a_run import a_run
from xiaozhi.dispatch.pace import Pace
from xiaozhi.dispatch.places import Places
from xiaozhi.store import Segment, changed


def a_segment(name: str, model: str = "m", *, number: int = 0) -> Segment:
    return Segment(changed(a_run(), {"id": name, "model": model}), epoch=0, number=number)


def some_places(places: int, queued: int = 100, **bounds: int) -> Places:
    """`bounds`: of models."""
    return Places(places, bounds.get, queued=queued)


def served(places: Places, *leaving: Segment) -> list[str]:
    """Who gets a place when these leave, one after the other."""
    names: list[str] = []
    waiting = list(leaving)
    while waiting:
        places.leave(waiting.pop(0))
        while segment := places.next():
            names.append(segment.run.id)
            waiting.append(segment)
    return names


def test_while_places_are_free_nobody_waits():
    places = some_places(2)
    assert places.enter(a_segment("a"))
    assert places.enter(a_segment("b"))
    assert not places.enter(a_segment("c"))
    assert list(places.waiting) == ["c"]


def test_who_comes_first_is_served_first():
    places = some_places(1)
    first = a_segment("first")
    places.enter(first)
    for name in "abc":
        places.enter(a_segment(name))
    assert served(places, first) == ["a", "b", "c"]


def test_who_goes_on_comes_before_the_new_ones():
    places = some_places(1)
    first = a_segment("first")
    places.enter(first)
    for name, number in (("a", 0), ("b", 0), ("c", 1), ("d", 2)):
        places.enter(a_segment(name, number=number))
    assert served(places, first) == ["c", "d", "a", "b"]


def test_a_pile_of_one_model_holds_up_no_other():
    places = some_places(1)
    first = a_segment("first")
    places.enter(first)
    for number in range(100):
        places.enter(a_segment(f"pile {number}", "busy"))
    places.enter(a_segment("x", "quiet"))
    places.enter(a_segment("y", "quiet"))
    assert served(places, first)[:5] == ["pile 0", "x", "pile 1", "y", "pile 2"]


def test_a_model_has_no_more_than_it_can_do():
    places = some_places(3, small=1)
    one = a_segment("one", "small")
    assert places.enter(one)
    assert not places.enter(a_segment("two", "small"))
    assert places.enter(a_segment("other"))
    assert places.next() is None
    assert served(places, one) == ["two"]


def test_nobody_overtakes_those_of_the_same_model():
    """A place that is free for a moment is for who waits, not for who comes just then."""
    places = some_places(1)
    first = a_segment("first")
    places.enter(first)
    places.enter(a_segment("waiting"))
    places.leave(first)
    assert not places.enter(a_segment("just now"))
    following = places.next()
    assert following
    assert following.run.id == "waiting"


def test_who_is_withdrawn_is_not_served():
    places = some_places(1)
    first = a_segment("first")
    places.enter(first)
    for name in "abc":
        places.enter(a_segment(name))
    withdrawn = places.withdraw("b")
    assert withdrawn
    assert withdrawn.run.id == "b"
    assert places.withdraw("b") is None
    assert places.withdraw("first") is None, "it does not wait"
    assert served(places, first) == ["a", "c"]


def test_room_is_what_is_free_and_what_may_wait():
    places = some_places(2, queued=3, small=1)
    assert places.room() == 5
    places.enter(a_segment("a", "small"))
    places.enter(a_segment("b", "small"))
    # The place that is free is for another model, and nobody says which is asked for.
    assert places.room() == 2
    assert places.room("small") == 0
    assert places.room("m") == 1
    for name in "cde":
        places.enter(a_segment(name, "small"))
    assert places.room() == -1, "who was let in is never sent away"
    assert places.room("m") == 1


def test_closed_places_are_given_to_nobody():
    places = some_places(1)
    first = a_segment("first")
    places.enter(first)
    places.enter(a_segment("a"))
    places.close()
    assert served(places, first) == []
    assert not places.enter(a_segment("b"))
    assert list(places.waiting) == ["a", "b"]


def test_all_are_forgotten_in_the_end():
    """Names of models come from clients: they must not pile up."""
    places = some_places(1)
    first = a_segment("first")
    places.enter(first)
    for number in range(10):
        places.enter(a_segment(f"run {number}", f"model {number}"))
    assert len(served(places, first)) == 10
    assert places.room() == 101
    assert not places.waiting
    assert not places.__dict__["_taken"]
    assert not places.__dict__["_queues"]


def test_everybody_is_told_a_time_of_their_own():
    pace = Pace(since=100.0)
    for number in range(10):
        pace.became_free(100.0 + number)
    assert [pace.retry_after(110.0) for _ in range(3)] == [1, 2, 3]
    # A second later those times have not passed yet.
    assert pace.retry_after(111.0) == 3


def test_a_time_to_come_again_has_its_bounds():
    assert Pace(since=0.0).retry_after(0.0) == 1
    assert Pace(since=0.0).retry_after(1000.0) == 30
    quick = Pace(since=0.0)
    assert max(quick.retry_after(0.0) for _ in range(10_000)) == 30
