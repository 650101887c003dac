"""Connections that Postgres takes and then breaks, as it does while it is being killed."""

import asyncio

from tests.postgres import PostgresServer
from xiaozhi.store.postgres import Postgres, engine

BROKEN = 2


async def pass_on(source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
    while data := await source.read(4096):
        sink.write(data)
    sink.close()


def test_what_breaks_while_it_is_made_is_made_again(postgres: PostgresServer):
    address = postgres.create_database()
    taken = 0

    async def take(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal taken
        taken += 1
        if taken <= BROKEN:
            await reader.readexactly(8)
            writer.write(b"N")  # no TLS
            await reader.read(4096)
            return writer.close()
        there, here = await asyncio.open_connection("127.0.0.1", postgres.port)
        await asyncio.gather(pass_on(reader, here), pass_on(there, writer))

    async def story() -> None:
        async with await asyncio.start_server(take, "127.0.0.1", 0) as breaking:
            port: int = breaking.sockets[0].getsockname()[1]
            store = Postgres(engine(address.replace(str(postgres.port), str(port))))
            try:
                answer = await store.read(lambda c: c.exec_driver_sql("SELECT 7").scalar())
                assert answer == 7
            finally:
                await store.close()
        assert taken > BROKEN

    asyncio.run(story())
