"""How long does a search take among 100,000 messages? From the query to the page, in SQLite; with
`--database postgresql://…` (an empty one) in Postgres.

Made-up talk of which six in ten messages are Chinese (2,000 threads, 210 characters a message);
each word 20 times. Expected: p95 under 50 ms.

2026-11-24, 2 very busy cores, Python 3.11, SQLite 3.40.1: 389 MB; of one character median 9.6 ms,
p95 20.3 ms; of two 2.2 and 9.5; of eight 1.0 and 1.8; all together 1.8 and 13.3, max 110 ms.
2026-11-25, Postgres 15, the 2 cores shared with four other programs (load 9): 426 MB; of one
character median 10.3 ms, p95 52.3 ms; of two 8.8 and 42; of eight 4.3 and 10; all together 6.8 and
43, max 320 ms.
"""

import argparse
import asyncio
import itertools
import random
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from sqlalchemy import Connection, text

from xiaozhi import threads
from xiaozhi.requests import CreateMessage, CreateThread
from xiaozhi.store import (
    PageWanted,
    ThreadsWanted,
    message_rows,
    postgres,
    schema,
    sqlite_opening,
    thread_page,
)

THREADS = 2_000
MESSAGES = 100_000
REPEATS = 20


def talk(seed: int, letters: str, lengths: list[int], words: int, gap: str) -> Callable[[int], str]:
    """Says that many words, the frequent ones often (Zipf)."""
    chance = random.Random(seed)
    weights = list(itertools.accumulate(1 / (rank + 3) for rank in range(len(letters))))
    known = [
        "".join(chance.choices(letters, cum_weights=weights, k=chance.choice(lengths)))
        for _ in range(words)
    ]
    often = list(itertools.accumulate(1 / (rank + 5) for rank in range(words)))
    return lambda count: gap.join(chance.choices(known, cum_weights=often, k=count))


def fill(connection: Connection) -> list[str]:
    """What is looked for: the words of a few messages, of one to four characters and longer."""
    chance = random.Random(1)
    chinese = talk(2, "".join(map(chr, range(0x4E00, 0x5C00))), [1, 2, 2, 2, 3], 8_000, "")
    english = talk(3, "etaoinshrdlucmfwypvbgkjqxz", [2, 3, 4, 5, 6, 7, 9], 8_000, " ")
    ids = [threads.add_thread(connection, CreateThread(), 1).id for _ in range(THREADS)]
    looked_for: list[str] = []
    for number in range(MESSAGES):
        said = (
            chinese(chance.randint(5, 150)) if number % 10 < 6 else english(chance.randint(5, 80))
        )
        request = CreateMessage(role="user", content=said)
        message_rows.add(connection, threads.new_message(chance.choice(ids), request, 1))
        if number % 2_000 == 0:
            start = chance.randrange(len(said))
            looked_for += [said[start : start + length].strip() for length in (1, 2, 3, 4, 8)]
    return [word for word in looked_for if word]


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--database")
    database: str | None = parser.parse_args().database
    if database:
        asyncio.run(on_postgres(database))
    else:
        on_sqlite()


def on_sqlite() -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "search.db"
        with sqlite_opening.engine(path, writes=True).connect() as connection, connection.begin():
            looked_for = prepare(connection)
        print(f"{path.stat().st_size / 1e6:.0f} MB")
        with sqlite_opening.engine(path, writes=False).connect() as connection, connection.begin():
            measure(connection, looked_for)


async def on_postgres(address: str) -> None:
    engine = postgres.engine(address)
    async with engine.begin() as connection:
        looked_for = await connection.run_sync(prepare)
    async with engine.connect() as connection:
        # What autovacuum does by and by
        await connection.execution_options(isolation_level="AUTOCOMMIT")
        await connection.execute(text("VACUUM ANALYZE"))
        size = await connection.scalar(text("SELECT pg_database_size(current_database())"))
        print(f"{size / 1e6:.0f} MB")
        await connection.run_sync(measure, looked_for)
    await engine.dispose()


def prepare(connection: Connection) -> list[str]:
    schema.bring_up_to_date(connection)
    began = time.perf_counter()
    looked_for = fill(connection)
    print(f"written in {time.perf_counter() - began:.0f} s")
    return looked_for


def measure(connection: Connection, looked_for: list[str]) -> None:
    all_took: list[float] = []
    for length in (1, 2, 3, 4, 8):
        took: list[float] = []
        for word in [word for word in looked_for if len(word) == length]:
            for _ in range(REPEATS):
                began = time.perf_counter()
                thread_page(connection, PageWanted(), ThreadsWanted.by(word, ()))
                took.append(1_000 * (time.perf_counter() - began))
        all_took += took
        print(f"{length} characters: {line(took)}")
    print(f"all: {line(all_took)}")


def line(took: list[float]) -> str:
    return (
        f"median {statistics.median(took):.1f} ms, "
        f"p95 {statistics.quantiles(took, n=20)[-1]:.1f} ms, max {max(took):.1f} ms"
    )


if __name__ == "__main__":
    main()
