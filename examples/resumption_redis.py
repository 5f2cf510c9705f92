"""Sessions that other processes take up again, through Redis.

    pip install 'aiotls[redis]'
    python examples/resumption_redis.py                                # starts a redis-server
    python examples/resumption_redis.py redis://localhost:6379/0       # uses one that runs

Shows: RedisTicketKeys. Two server processes share their ticket keys, so that a client which comes
back resumes its session whichever of them it meets, as behind a load balancer.
"""

from __future__ import annotations

import asyncio
import contextlib
import multiprocessing
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from multiprocessing.connection import Connection
from pathlib import Path

import redis.asyncio

import aiotls
from aiotls.cli.authority import Authority
from aiotls.contrib.redis import RedisTicketKeys


def serve(url: str, chain: bytes, key: bytes, ready: Connection) -> None:
    """One of the server processes, until it is told to end."""

    async def greet(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"resumed" if writer.get_extra_info("tls")["resumed"] else b"full handshake")
        writer.close()

    async def main() -> None:
        async with redis.asyncio.Redis.from_url(url) as client:
            config = aiotls.ServerConfig(
                identity=aiotls.Identity.from_pem(chain + key),
                ticket_keys=RedisTicketKeys(client),
            )
            server = await aiotls.start_server(greet, "localhost", 0, ssl=config)
            async with server:
                ready.send(server.sockets[0].getsockname()[1])
                await asyncio.to_thread(ready.recv)

    asyncio.run(main())


async def ask(ports: list[int], config: aiotls.ClientConfig) -> None:
    for turn, port in enumerate(ports, 1):
        reader, writer = await aiotls.open_connection("localhost", port, ssl=config)
        print(f"process {turn}:", (await reader.read()).decode())
        writer.close()
        await writer.wait_closed()


@contextlib.contextmanager
def database() -> Iterator[str]:
    """A Redis of our own, on a socket that nobody else may open."""
    program = shutil.which("redis-server")
    if program is None:
        sys.exit("there is no redis-server: give the URL of one that runs")
    with tempfile.TemporaryDirectory() as directory:
        path = Path(directory, "redis.sock")
        options = ["--port", "0", "--unixsocket", str(path), "--unixsocketperm", "700"]
        with subprocess.Popen(
            [program, *options, "--save", "", "--dir", directory],
            stdout=subprocess.PIPE,
            text=True,
        ) as process:
            assert process.stdout is not None
            try:
                for line in process.stdout:
                    if "eady to accept connections" in line:
                        break
                yield f"unix://{path}"
            finally:
                process.terminate()
                process.communicate()


def main(url: str) -> None:
    authority = Authority.create()
    issued = authority.issue("localhost")
    context = multiprocessing.get_context("spawn")
    pipes, processes = [], []
    for _ in range(2):
        ours, theirs = context.Pipe()
        arguments = (url, issued.chain_pem, issued.key_pem, theirs)
        processes.append(context.Process(target=serve, args=arguments))
        pipes.append(ours)
    for process in processes:
        process.start()
    ports = [pipe.recv() for pipe in pipes]
    asyncio.run(ask(ports, aiotls.ClientConfig(trust=authority.trust())))
    for pipe, process in zip(pipes, processes, strict=True):
        pipe.send("end")
        process.join()


if __name__ == "__main__":
    if len(sys.argv) > 1:
        main(sys.argv[1])
    else:
        with database() as url:
            main(url)
