"""An echo server in a process of its own, which answers on standard output what it is asked.

    python -m tests.load.server LOOP CERTIFICATE

prints its port; then ``measure`` and ``quit`` on standard input are answered by a line of JSON.
"""

from __future__ import annotations

import asyncio
import contextlib
import ctypes
import gc
import json
import logging
import resource
import sys
from collections import Counter
from typing import Any

import aiotls
from aiotls.phases import Phase
from aiotls.transport import TLSTransport

OURS = (aiotls.TLSConnection, TLSTransport, Phase)
TICK = 0.05


class Failures(logging.Handler):
    """Counts what is logged; keeps the first lines that have a traceback."""

    def __init__(self) -> None:
        super().__init__()
        self.lines = 0
        self.tracebacks: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.lines += 1
        if record.exc_info and len(self.tracebacks) < 5:
            self.tracebacks.append(self.format(record))


class Echo:
    """Sends back what comes, and counts."""

    def __init__(self) -> None:
        self.open = self.peak = self.served = 0
        self.ends: Counter[str] = Counter()

    async def __call__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.served += 1
        self.open += 1
        self.peak = max(self.peak, self.open)
        try:
            while data := await reader.read(1 << 16):
                writer.write(data)
                await writer.drain()
            end = "close_notify"
        except OSError as error:
            end = type(error).__name__
        finally:
            self.open -= 1
            writer.close()
        self.ends[end] += 1
        with contextlib.suppress(OSError):
            await writer.wait_closed()


async def watch(stalls: list[float]) -> None:
    """Keeps the longest time that the loop did not come round."""
    loop = asyncio.get_running_loop()
    while True:
        before = loop.time()
        await asyncio.sleep(TICK)
        stalls[0] = max(stalls[0], loop.time() - before - TICK)


def memory() -> dict[str, int]:
    """What is left when garbage and free lists are gone."""
    gc.collect()
    ours = sum(isinstance(thing, OURS) for thing in gc.get_objects())
    with contextlib.suppress(OSError, AttributeError):  # glibc alone has it
        ctypes.CDLL(None).malloc_trim(0)
    resident = 0
    with contextlib.suppress(OSError), open("/proc/self/status") as status:
        resident = next(int(line.split()[1]) for line in status if line.startswith("VmRSS"))
    return {"ours": ours, "blocks": sys.getallocatedblocks(), "kib": resident}


async def main(certificate: str) -> None:
    """Serves until ``quit``, or the end of standard input."""
    loop = asyncio.get_running_loop()
    failures = Failures()
    logging.getLogger("aiotls").addHandler(failures)
    logging.getLogger("aiotls").propagate = False
    logging.getLogger("asyncio").addHandler(failures)
    complaints: list[str] = []
    loop.set_exception_handler(lambda _, context: complaints.append(repr(context)[:500]))
    config = aiotls.ServerConfig(identity=aiotls.Identity.from_files(certificate))
    # All clients come from one address, and a machine under load may need long for each.
    budget = aiotls.HandshakeBudget(concurrent=2000, per_address=None, seconds=30)
    echo = Echo()
    server = await aiotls.start_server(
        echo, "127.0.0.1", 0, ssl=config, handshake_budget=budget, backlog=1024
    )
    stalls = [0.0]
    watching = loop.create_task(watch(stalls))
    print(server.sockets[0].getsockname()[1], flush=True)
    commands = asyncio.StreamReader()
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(commands), sys.stdin)
    while (await commands.readline()) == b"measure\n":
        idle = not echo.open and not budget.running
        told: dict[str, Any] = {
            "open": echo.open,
            "peak": echo.peak,
            "served": echo.served,
            "ends": echo.ends,
            "handshakes": budget.running,
            "refused": budget.refused,
            "ended": budget.ended,
            "lines": failures.lines,
            "tracebacks": failures.tracebacks,
            "complaints": complaints[:5],
            "stall": stalls[0],
        }
        if idle:  # counting objects takes long where there are many
            told |= memory()
            told["tasks"] = len(asyncio.all_tasks())
            stalls[0] = 0.0
        print(json.dumps(told), flush=True)
    watching.cancel()
    server.close()


if __name__ == "__main__":
    _soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    factory: Any = asyncio.SelectorEventLoop
    if sys.argv[1] == "uvloop":
        import uvloop

        factory = uvloop.new_event_loop
    with asyncio.Runner(loop_factory=factory) as runner:
        runner.run(main(sys.argv[2]))
