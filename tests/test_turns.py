"""Of many that are ready at once some go on in each round of the loop, in their order."""

import asyncio

from xiaozhi.turns import AT_ONCE, Turns


def test_others_have_their_turn_between_them():
    async def story() -> None:
        loop, turns = asyncio.get_running_loop(), Turns()
        waiters = [loop.create_future() for _ in range(3 * AT_ONCE)]
        turns.wake(waiters)
        assert [waiter.done() for waiter in waiters] == [True] * AT_ONCE + [False] * 2 * AT_ONCE
        late = asyncio.ensure_future(turns.mine())
        await asyncio.wait_for(waiters[-1], 5)
        assert all(waiter.done() for waiter in waiters)
        await asyncio.wait_for(late, 5)

    asyncio.run(story())


def test_one_that_has_left_takes_no_turn():
    async def story() -> None:
        loop, turns = asyncio.get_running_loop(), Turns()
        gone = [loop.create_future() for _ in range(AT_ONCE)]
        for waiter in gone:
            waiter.cancel()
        here = loop.create_future()
        turns.wake([*gone, here])
        assert here.done()

    asyncio.run(story())
