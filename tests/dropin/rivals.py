"""A table: other packages that put another engine behind ssl, beside this one and the control.

    python -m tests.dropin.rivals

Each pairing of client and server on each loop is a process of its own, as some never end.
"""

from __future__ import annotations

import asyncio
import importlib.util
import os
import ssl
import subprocess
import sys
import tempfile
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from .engines import CONTROL, OURS, Files, client_context, server_context
from .test_matrix import connect, echo, leave, serving

RIVALS = tuple(name for name in ("rtls", "utls") if importlib.util.find_spec(name))
PAIRINGS = (
    (CONTROL, CONTROL),
    (OURS, CONTROL),
    (CONTROL, OURS),
    (OURS, OURS),
    *(pair for rival in RIVALS for pair in ((rival, CONTROL), (CONTROL, rival))),
)
LOOPS = ("asyncio", "uvloop")
PATIENCE = {True: 20.0, False: 3.0}
"""Seconds for a cell: of ours and the control's, which have to pass, and of a rival's."""

Cell = Callable[[str, str, Files], Awaitable[None]]


async def echoes(client: str, server: str, files: Files) -> None:
    """100 KiB there and back."""
    async with serving(echo, server_context(server, files)) as port:
        reader, writer = await connect(client_context(client, files), port)
        writer.write(bytes(100_000))
        await writer.drain()
        assert await reader.readexactly(100_000) == bytes(100_000)
        await leave(writer)


async def server_ends(client: str, server: str, files: Files) -> None:
    """The client reads to the end, which the server makes with close_notify."""

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readexactly(1)
        writer.write(b"the last words")

    async with serving(answer, server_context(server, files)) as port:
        reader, writer = await connect(client_context(client, files), port)
        writer.write(b"x")
        assert await reader.read() == b"the last words"
        await leave(writer)


async def client_ends(client: str, server: str, files: Files) -> None:
    """The server reads to the end, which the client makes with close_notify."""
    heard = asyncio.get_running_loop().create_future()

    async def listen(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        heard.set_result(await reader.read())

    async with serving(listen, server_context(server, files)) as port:
        _, writer = await connect(client_context(client, files), port)
        writer.write(b"the last words")
        await leave(writer)
        assert await heard == b"the last words"


async def stranger(client: str, server: str, files: Files) -> None:
    """A certificate of an unknown authority: the error's class and attributes."""
    async with serving(echo, server_context(server, files)) as port:
        try:
            await connect(client_context(client, files, cafile=files.stranger), port)
        except ssl.SSLCertVerificationError as error:
            found = (error.verify_code, error.reason, error.library)
            assert found == (20, "CERTIFICATE_VERIFY_FAILED", "SSL")
        else:
            raise AssertionError("it was let pass")


async def tells(client: str, server: str, files: Files) -> None:
    """version(), cipher() and getpeercert() of the client, as programs log them."""
    async with serving(echo, server_context(server, files)) as port:
        _, writer = await connect(client_context(client, files), port)
        view = writer.get_extra_info("ssl_object")
        assert view.version() in ("TLSv1.2", "TLSv1.3")
        assert view.cipher()[1] == view.version()
        assert view.getpeercert()["subject"] == ((("commonName", "localhost"),),)
        await leave(writer)


CELLS: dict[str, Cell] = {
    "echo": echoes,
    "server ends": server_ends,
    "client ends": client_ends,
    "wrong certificate": stranger,
    "what it tells": tells,
}


def run_cells(loop: str, client: str, server: str) -> None:
    """The body of a process: prints a cell a line."""
    factory: Callable[[], asyncio.AbstractEventLoop] = asyncio.new_event_loop
    if loop == "uvloop":
        import uvloop

        factory = uvloop.new_event_loop
    limit = PATIENCE[{client, server} <= {CONTROL, OURS}]
    running = factory()
    running.set_exception_handler(lambda loop, context: None)
    with tempfile.TemporaryDirectory() as directory:
        files = Files(Path(directory))
        for name, cell in CELLS.items():

            async def main(cell: Cell = cell) -> None:
                async with asyncio.timeout(limit):
                    await cell(client, server, files)

            try:
                running.run_until_complete(main())
                result = "ok"
            except TimeoutError:
                result = "hangs"
            except Exception as error:
                result = type(error).__name__
            print(f"{name}\t{result}", flush=True)
    sys.stdout.flush()
    os._exit(0)  # what a rival has left open is not waited for


def column(loop: str, client: str, server: str) -> dict[str, str]:
    """What came of each cell; "hangs" for what came to no end, "dies" with its process."""
    limit = (PATIENCE[{client, server} <= {CONTROL, OURS}] + 2) * len(CELLS)
    command = [sys.executable, "-W", "ignore", "-m", "tests.dropin.rivals", loop, client, server]
    with tempfile.TemporaryFile("w+") as output:
        process = subprocess.Popen(command, stdout=output, stderr=subprocess.DEVNULL)
        missing = "dies"
        try:
            process.wait(limit)
        except subprocess.TimeoutExpired:
            missing = "hangs"
            process.kill()
            process.wait()
        output.seek(0)
        found = dict(line.rstrip("\n").split("\t") for line in output if "\t" in line)
    return {name: found.get(name, missing) for name in CELLS}


def table() -> tuple[str, dict[tuple[str, str, str], dict[str, str]]]:
    """The table as text, and its columns by loop, client and server."""
    keys = [(loop, *pairing) for loop in LOOPS for pairing in PAIRINGS]
    with ThreadPoolExecutor(4) as pool:  # those that hang take no time from the others
        columns = dict(zip(keys, pool.map(lambda key: column(*key), keys), strict=True))
    rows = [["client -> server, loop", *CELLS]]
    rows += [
        [f"{client} -> {server}, {loop}", *cells.values()]
        for (loop, client, server), cells in columns.items()
    ]
    widths = [max(map(len, values)) for values in zip(*rows, strict=True)]
    lines = ["  ".join(v.ljust(w) for v, w in zip(row, widths, strict=True)) for row in rows]
    return "\n".join(line.rstrip() for line in lines), columns


if __name__ == "__main__":
    if len(sys.argv) > 1:
        run_cells(*sys.argv[1:])
    print(table()[0])
