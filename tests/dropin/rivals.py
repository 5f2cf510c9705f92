"""A table: other packages that put another engine behind ssl, beside this one and the control.

    python -m tests.dropin.rivals           # all of it
    python -m tests.dropin.rivals uvloop rtls stdlib "half-close"      # a cell, with its traceback

Each cell of cells.py is a process of its own for each client, server and loop: what hangs or dies
costs that cell and no other.
"""

from __future__ import annotations

import asyncio
import importlib.metadata
import importlib.util
import json
import os
import selectors
import signal
import subprocess
import sys
import tempfile
import time
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import aiotls

from . import cells
from .cells import CELLS, Wrong
from .engines import CONTROL, OURS, Files

RIVALS = tuple(name for name in ("rtls", "utls") if importlib.util.find_spec(name))
OURSELVES = ((OURS, CONTROL), (CONTROL, OURS), (OURS, OURS))
AGAINST = tuple(pair for rival in RIVALS for pair in ((rival, CONTROL), (CONTROL, rival)))
COLUMNS: dict[str, tuple[tuple[str, str], ...]] = {
    "asyncio": ((CONTROL, CONTROL), *OURSELVES, *AGAINST),
    "uvloop": ((CONTROL, CONTROL), *OURSELVES, *AGAINST),
    "aiotls": OURSELVES,
    "aiotls-uvloop": OURSELVES,
}
"""The pairings of client and server by loop. A loop of this package's is another for its own
contexts only."""

LONG, SHORT = 60.0, 4.0
"""Seconds for a cell that comes to an end, and for a rival's that is known to have none."""

KNOWN_VERSIONS = {"rtls": "2026.9.21", "utls": "2026.10.3", "uvloop": "0.23.0"}
KNOWN: dict[tuple[str, str], dict[str, dict[str, str]]] = {
    ("rtls", "client"): {
        "clean end, by the server": {"asyncio": "loses EOF", "uvloop": "loses EOF"},
        "cut off, told by SSLObject": {"asyncio": "another errno", "uvloop": "another errno"},
        "half-close": {"asyncio": "does not wait", "uvloop": "does not wait"},
        "unknown authority": dict.fromkeys(("asyncio", "uvloop"), "error without attributes"),
        "wrong name": dict.fromkeys(("asyncio", "uvloop"), "error without attributes"),
    },
    ("rtls", "server"): {
        "clean end, by the client": {"asyncio": "loses EOF", "uvloop": "loses EOF"},
        "half-close": {"asyncio": "loses EOF", "uvloop": "loses EOF"},
        # What follows from it: it does not answer a client that wants to end.
        "echo": {"asyncio": "does not close", "uvloop": "does not close"},
        "64 MiB each way": {"asyncio": "does not close", "uvloop": "does not close"},
        "cancelled in the handshake": {"asyncio": "does not close", "uvloop": "does not close"},
        "TLS in TLS": {"asyncio": "does not close", "uvloop": "does not close"},
        "client certificate": {"asyncio": "does not close", "uvloop": "does not close"},
        "what it tells": {"asyncio": "does not close", "uvloop": "does not close"},
    },
    ("utls", "client"): {
        "clean end, by the server": {"uvloop": "loses EOF"},
        "cut off, told by SSLObject": {"asyncio": "another errno", "uvloop": "another errno"},
        "half-close": {"asyncio": "does not wait", "uvloop": "does not wait"},
        "unknown authority": dict.fromkeys(("asyncio", "uvloop"), "error without attributes"),
    },
    ("utls", "server"): {
        "clean end, by the server": {"uvloop": "loses EOF"},
        "clean end, by the client": {"uvloop": "loses EOF"},
        "half-close": {"uvloop": "does not close"},
        "echo": {"uvloop": "hangs"},
        "cancelled in the handshake": {"uvloop": "hangs"},
        "TLS in TLS": {"uvloop": "hangs"},
        "time-outs": {"uvloop": "hangs"},
        "client certificate": {"uvloop": "hangs"},
        "what it tells": {"uvloop": "does not close"},
    },
}
"""What is known not to be "ok" with these versions of the rivals, by cell and loop."""
SIDE_BY_SIDE = 6
"""Processes at a time: most of those that take long are waiting."""


@dataclass(frozen=True)
class Key:
    """Which cell, and of what."""

    loop: str
    client: str
    server: str
    cell: str

    @property
    def pairing(self) -> tuple[str, str]:
        return self.client, self.server

    @property
    def has_to_hold(self) -> bool:
        """Whether no rival has a part in it."""
        return set(self.pairing) <= {CONTROL, OURS}


def known(key: Key) -> str | None:
    """What a cell comes to as far as is known: None with other versions."""
    if key.has_to_hold:
        return "ok"
    rival, side = (key.client, "client") if key.server == CONTROL else (key.server, "server")
    for name in (rival, "uvloop"):
        if importlib.metadata.version(name) != KNOWN_VERSIONS[name]:
            return None
    return KNOWN[rival, side].get(key.cell, {}).get(key.loop, "ok")


def limit(key: Key) -> float:
    """Seconds for a cell."""
    return LONG if known(key) == "ok" else SHORT


def loop_factory(name: str) -> Callable[[], asyncio.AbstractEventLoop]:
    """A factory of loops; raises ImportError where uvloop is not installed."""
    base: Callable[[], asyncio.AbstractEventLoop] = asyncio.new_event_loop
    if name.endswith("uvloop"):
        import uvloop

        base = uvloop.new_event_loop
    return aiotls.loop_factory(base) if name.startswith("aiotls") else base


def outcome(key: Key, files: Files, seconds: float) -> str:
    """Runs a cell; "ok", "hangs", or a word for what was wrong. The process is of no use after."""
    cells.patience = seconds / 4
    loop = loop_factory(key.loop)()
    loop.set_exception_handler(lambda loop, context: None)

    async def main() -> None:
        async with asyncio.timeout(seconds):
            await CELLS[key.cell](key.client, key.server, files)

    try:
        loop.run_until_complete(main())
    except TimeoutError:
        return "hangs"
    except Wrong as error:
        return str(error)
    except Exception as error:
        traceback.print_exc()
        return type(error).__name__
    return "ok"


class Child:
    """A process with one cell."""

    def __init__(self, key: Key, files: Files, seconds: float) -> None:
        self.key = key
        self.deadline = time.monotonic() + seconds + 2  # one that does not get to its own time-out
        self.output, inner = os.pipe()
        self.pid = os.fork()
        if not self.pid:
            try:
                nothing = os.open(os.devnull, os.O_RDWR)
                for standard in range(3):
                    os.dup2(nothing, standard)
                os.write(inner, outcome(key, files, seconds).encode())
            finally:
                os._exit(0)  # what has been left open is not waited for
        os.close(inner)

    def end(self) -> str:
        """What it has said; its process is gone after this."""
        said = ""
        if time.monotonic() >= self.deadline:
            os.kill(self.pid, signal.SIGKILL)
            said = "hangs"
        said = os.read(self.output, 100).decode() or said
        os.close(self.output)
        if said:  # some cannot end: their threads are in the way
            os.kill(self.pid, signal.SIGKILL)
        os.waitpid(self.pid, 0)
        return said or "dies"


def run(keys: list[Key], seconds: float | None = None) -> dict[Key, str]:
    """The outcomes of cells, a few at a time."""
    outcomes: dict[Key, str] = {}
    waiting = list(reversed(keys))
    with tempfile.TemporaryDirectory() as directory, selectors.DefaultSelector() as selector:
        files = Files(Path(directory))
        while waiting or selector.get_map():
            while waiting and len(selector.get_map()) < SIDE_BY_SIDE:
                key = waiting.pop()
                child = Child(key, files, seconds or limit(key))
                selector.register(child.output, selectors.EVENT_READ, child)
            children = [entry.data for entry in selector.get_map().values()]
            nearest = min(child.deadline for child in children)
            ready = {k.data for k, _ in selector.select(max(0.0, nearest - time.monotonic()))}
            for child in children:
                if child in ready or time.monotonic() >= child.deadline:
                    selector.unregister(child.output)
                    outcomes[child.key] = child.end()
    return {key: outcomes[key] for key in keys}


def all_keys() -> list[Key]:
    """Every cell; those that take long first."""
    cells = sorted(CELLS, key=lambda name: name != "64 MiB each way")
    return [
        Key(loop, client, server, cell)
        for cell in cells
        for loop, pairings in COLUMNS.items()
        for client, server in pairings
    ]


def table(outcomes: dict[Key, str]) -> str:
    """A table for each loop: a row for each cell, a column for each pairing."""
    tables = []
    for loop, pairings in COLUMNS.items():
        rows = [["client", *(client for client, _ in pairings)]]
        rows += [["server", *(server for _, server in pairings)]]
        for cell in CELLS:
            rows.append([cell, *(outcomes[Key(loop, *pair, cell)] for pair in pairings)])
        widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
        lines = ["  ".join(v.ljust(w) for v, w in zip(row, widths, strict=True)) for row in rows]
        tables.append("\n".join([f"on {loop}", *(f"  {line.rstrip()}" for line in lines)]))
    return "\n\n".join(tables)


def measure() -> dict[Key, str]:
    """The outcomes of all cells, from processes that have nothing to do with this one."""
    command = [sys.executable, "-W", "ignore", "-m", "tests.dropin.rivals", "--json"]
    process = subprocess.run(command, stdout=subprocess.PIPE, check=True, timeout=280)
    return {Key(*key): found for *key, found in json.loads(process.stdout)}


def main(arguments: list[str]) -> None:
    """One cell, with its traceback; or all of them."""
    if len(arguments) == 4:
        with tempfile.TemporaryDirectory() as directory:
            print(outcome(Key(*arguments), Files(Path(directory)), SHORT))
        sys.stdout.flush()
        os._exit(0)
    outcomes = run(all_keys())
    again = [key for key, found in outcomes.items() if known(key) not in (found, None)]
    outcomes |= run(again, LONG)  # a machine with much else to do is no finding
    if arguments == ["--json"]:
        print(json.dumps([[*vars(key).values(), value] for key, value in outcomes.items()]))
    else:
        print(table(outcomes))


if __name__ == "__main__":
    main(sys.argv[1:])
