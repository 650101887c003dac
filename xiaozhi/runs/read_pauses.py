"""How often an answer is read: with many under way, some tokens at a time.

To read, write down, tell and send a piece costs 0.1 ms of CPU, however long it is. So with many
answers at a time each one is left alone for a moment between two reads. What came meanwhile is one
piece. `benchmarks.load` has the figures.
"""

import asyncio

FOR_EACH = 0.001  # s, for each answer under way
# s; a shorter one joins nothing, as models take 20 ms for a token; a longer one would be seen
SHORTEST, LONGEST = 0.02, 0.1
AT_FIRST = 16  # tokens of an answer that are read as they come


async def pause(answers: int, tokens: int) -> None:
    """Before the next read. `answers`: under way in this process. `tokens`: read so far."""
    seconds = min(LONGEST, FOR_EACH * answers)
    if seconds >= SHORTEST and tokens >= AT_FIRST:
        await asyncio.sleep(seconds)
