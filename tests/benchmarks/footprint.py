"""What is not time for a unit of work: idle memory, the time of the import, growth with load."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterable, Iterator
from statistics import median
from typing import Any

from aiotls.bench.contest import Couple, Entry, contestants
from aiotls.bench.settings import Settings

MOST_OF_OPENSSL = 2_000


def memory(entries: Iterable[Entry], settings: Settings, count: int) -> Iterator[dict[str, Any]]:
    """Bytes for each of *count* idle connections, of the client and of the server.

    Each has shaken hands in full and carried one request; then everything that is free was given
    back to the system.
    """
    for entry in entries:
        with contestants(Couple, [entry], settings) as (couple,):
            couple.measure("connect", 50, 20)
            couple.measure("hold", 20, 100)
            before = couple.memory()
            couple.measure("hold", count, 100, finish=False)
            after = couple.memory()
            sides = [(late - early) / count for early, late in zip(before, after, strict=True)]
            yield {"entry": entry, "client": sides[0], "server": sides[1]}


def live(
    entries: Iterable[Entry], settings: Settings, counts: Iterable[int], rounds: int, visits: int
) -> Iterator[dict[str, Any]]:
    """CPU seconds for opening a connection, and for a request, while so many others are open."""
    everyone = list(entries)
    for count in counts:
        # OpenSSL's share of ten thousand would be gigabytes.
        entries = [e for e in everyone if e[0] != "ssl" or count <= MOST_OF_OPENSSL]
        with contestants(Couple, entries, settings) as couples:
            opened = {c.entry: c.measure("hold", count, 100, finish=False) for c in couples}
            requests: dict[Entry, list[float]] = {entry: [] for entry in entries}
            for _ in range(rounds):
                for couple in couples:
                    result = couple.measure("visit", visits, 100, finish=False)
                    requests[couple.entry].append(result["cpu"])
        for entry in entries:
            yield {
                "entry": entry,
                "connections": count,
                "open": opened[entry]["cpu"],
                "request": median(requests[entry]),
            }


IMPORTS = {
    "asyncio, ssl, cryptography.x509": "import asyncio, ssl, cryptography.x509",
    "aiotls": "import aiotls",
    "a context of ssl's": "import asyncio, ssl; ssl.create_default_context(cafile={root!r})",
    "a configuration of aiotls's": (
        "import asyncio, aiotls; "
        "aiotls.ClientConfig(trust=aiotls.TrustStore.from_files(cafile={root!r}))"
    ),
}
"""The second is held against the first; the fourth against the third, as ``import aiotls`` alone
only notes where its names are to be found."""


def imports(rounds: int, settings: Settings) -> dict[str, list[float]]:
    """CPU seconds of each import in a fresh process, in turn, as of an installed package.

    That is, compiled: by the first round, which does not count.
    """
    times: dict[str, list[float]] = {name: [] for name in IMPORTS}
    env = {**settings.environment(), "PYTHONPYCACHEPREFIX": settings.path("compiled")}
    env.pop("PYTHONDONTWRITEBYTECODE", None)
    for number in range(rounds + 1):
        for name, statement in IMPORTS.items():
            code = (
                "import time; begun = time.process_time()\n"
                f"{statement.format(root=settings.path('root.pem'))}\n"
                "print(time.process_time() - begun)"
            )
            run = subprocess.run(
                [sys.executable, "-c", code], check=True, capture_output=True, text=True, env=env
            )
            if number:
                times[name].append(float(run.stdout))
    return times
