"""What is not time for a unit of work: idle memory, the time of the import, growth with load."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Iterable, Iterator, Sequence
from statistics import median
from typing import Any

from aiotls.bench.contest import Couple, Entry, contestants
from aiotls.bench.settings import Settings
from aiotls.phases import REST_SECONDS

MOST_OF_OPENSSL = 2_000

SILENCE = 2 * REST_SECONDS + 1
"""Seconds after which a connection of aiotls's has given back what it does not need."""

Place = tuple[Entry, int]
"""A stack and a loop, and how many connections are held."""


def memory(
    entries: Iterable[Entry], settings: Settings, count: int, silence: float
) -> Iterator[dict[str, Any]]:
    """Bytes for each of *count* idle connections, of the client and of the server.

    Each has shaken hands in full and carried one request; then everything that is free was given
    back to the system: ``busy`` tells what they take at once, ``client`` and ``server`` after
    *silence* seconds in which nothing came or went.
    """
    for entry in entries:
        with contestants(Couple, [entry], settings) as (couple,):
            couple.measure("connect", 50, 20)
            couple.measure("hold", 20, 100)
            before = couple.memory()
            couple.measure("hold", count, 100, finish=False)
            busy = each(before, couple.memory(), count)
            time.sleep(silence)
            client, server = each(before, couple.memory(), count)
            yield {"entry": entry, "client": client, "server": server, "busy": busy}


def each(before: Sequence[int], after: Sequence[int], count: int) -> list[float]:
    """What one of *count* connections takes, of the client and of the server."""
    return [(late - early) / count for early, late in zip(before, after, strict=True)]


def live(
    entries: Iterable[Entry],
    settings: Settings,
    counts: Sequence[int],
    rounds: int,
    visits: int,
) -> Iterator[dict[str, Any]]:
    """CPU seconds for opening a connection, and for a request, while so many others are open.

    Those of one loop take turns, the few connections and the many, so that whatever else the
    machine does hits all alike: ``growth`` has for each round what a request costs beside what
    it costs with the fewest.
    """
    entries = list(entries)
    for loop in dict.fromkeys(loop for _, loop in entries):
        # OpenSSL's share of ten thousand would be gigabytes.
        places = [
            (entry, count)
            for entry in entries
            for count in counts
            if entry[1] == loop and (entry[0] != "ssl" or count <= MOST_OF_OPENSSL)
        ]
        with contestants(Couple, [entry for entry, _ in places], settings) as couples:
            everyone = list(zip(places, couples, strict=True))
            for couple in couples:
                couple.keep_memory()
            opened = {
                place: couple.measure("hold", place[1], 100, finish=False)["cpu"]
                for place, couple in everyone
            }
            costs: dict[Place, list[float]] = {place: [] for place in places}
            for number in range(rounds + 1):
                turn = number % len(everyone)
                for place, couple in (*everyone[turn:], *everyone[:turn]):
                    result = couple.measure("visit", visits, 100, finish=False)
                    if number:
                        costs[place].append(result["cpu"])
        for entry, count in places:
            yield {
                "entry": entry,
                "connections": count,
                "open": opened[entry, count],
                "request": median(costs[entry, count]),
                "growth": [
                    many / few
                    for many, few in zip(costs[entry, count], costs[entry, counts[0]], strict=True)
                ],
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
