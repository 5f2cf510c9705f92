"""Contests: a client and a server process for each stack, round by round, all in turn."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, TypeVar

from .settings import Settings
from .works import Work

Entry = tuple[str, str]
"""A stack and a loop."""


class Failed(Exception):
    """A process could not do what it was told."""


class Process:
    """A worker in a process of its own: a module of this package, which answers line by line."""

    def __init__(self, module: str, settings: Settings, *arguments: str) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", f"{__package__}.{module}", settings.to_json(), *arguments],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env=settings.environment(),
            text=True,
            start_new_session=True,  # Ctrl-C is for the one who started it, who then ends it
        )

    def tell(self, **line: Any) -> dict[str, Any]:
        """One line there, and its answer."""
        stdin, stdout = self._process.stdin, self._process.stdout
        if stdin is None or stdout is None:
            raise Failed("a process without pipes")
        stdin.write(json.dumps(line) + "\n")
        stdin.flush()
        text = stdout.readline()
        if not text:
            raise Failed(f"a process ended with {self._process.wait()}")
        answer: dict[str, Any] = json.loads(text)
        if "error" in answer:
            raise Failed(answer["error"])
        return answer

    def end(self) -> None:
        """Closes its input, and waits."""
        if self._process.stdin is not None:
            self._process.stdin.close()
        try:
            self._process.wait(10)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        if self._process.stdout is not None:
            self._process.stdout.close()


class Couple:
    """The client and the server of one stack."""

    def __init__(self, entry: Entry, settings: Settings) -> None:
        self.entry = entry
        self.server = Process("worker", settings, *entry)
        self.client = Process("worker", settings, *entry)
        self.port: int = self.server.tell(do="serve")["port"]

    def measure(self, job: str, count: int, size: int, *, finish: bool = True) -> dict[str, Any]:
        """One round: CPU seconds of both for one of *count*. Empty for what the stack lacks."""
        ready = self.client.tell(do="prepare", job=job, port=self.port, count=count, size=size)
        if ready.get("unable"):
            return {}
        before = self.server.tell(do="cpu", collect=True)["cpu"]
        result = self.client.tell(do="run")
        server = self.server.tell(do="cpu")["cpu"] - before
        if finish:
            self.client.tell(do="finish")
        used = result.pop("used")
        return {
            "cpu": (used + server) / count,
            "client": used / count,
            "server": server / count,
            **result,
        }

    def keep_memory(self) -> None:
        """From now on both keep what they free, for measurements that are not about that."""
        self.client.tell(do="keep memory")
        self.server.tell(do="keep memory")

    def memory(self) -> tuple[int, int]:
        """Bytes that the client and the server hold."""
        client, server = self.client.tell(do="memory"), self.server.tell(do="memory")
        return client["memory"], server["memory"]

    def end(self) -> None:
        """Ends both processes."""
        self.client.end()
        self.server.end()


class Solo:
    """Client and server of one engine in one process, without a network."""

    def __init__(self, entry: Entry, settings: Settings) -> None:
        self.entry = entry
        self.process = Process("engines", settings, entry[0])

    def measure(self, job: str, count: int, size: int) -> dict[str, Any]:
        """One round: CPU seconds for one of *count*. Empty for what the engine lacks."""
        result = self.process.tell(job=job, count=count, size=size)
        return {} if result.get("unable") else {"cpu": result["used"] / count}

    def end(self) -> None:
        """Ends the process."""
        self.process.end()


C = TypeVar("C", Couple, Solo)


@contextmanager
def contestants(kind: type[C], entries: Iterable[Entry], settings: Settings) -> Iterator[list[C]]:
    """The processes for each entry, ended at the end."""
    made: list[C] = []
    try:
        for entry in entries:
            made.append(kind(entry, settings))
        yield made
    finally:
        for contestant in made:
            contestant.end()


@dataclass(slots=True)
class Row:
    """What one work has given: for each stack one result per round."""

    work: Work
    rounds: dict[Entry, list[dict[str, Any]]] = field(default_factory=dict)

    def values(self, entry: Entry, key: str = "cpu") -> list[float]:
        """One number per round; empty where the stack did not take part, or has no such number."""
        return [result[key] for result in self.rounds.get(entry, ()) if key in result]

    def ratios(
        self, entry: Entry, other: Entry, floor: Entry | None = None, key: str = "cpu"
    ) -> list[float]:
        """*entry* against *other*, round by round; with *floor*, what each takes beyond that."""
        ours, theirs = self.values(entry, key), self.values(other, key)
        if not ours or not theirs:
            return []
        below = self.values(floor, key) if floor is not None else [0.0] * len(ours)
        pairs = zip(ours, theirs, below, strict=False)
        return [(our - low) / (their - low) for our, their, low in pairs if their > low]


def run(
    taking_part: Sequence[Couple | Solo], works: Iterable[Work], rounds: int, scale: float = 1.0
) -> Iterator[Row]:
    """Each work in turn, every stack once per round, after one round that is thrown away.

    Nothing where nobody is *taking_part*.
    """
    for work in works if taking_part else ():
        row = Row(work, {one.entry: [] for one in taking_part})
        count = max(20, round(work.count * scale))
        for number in range(rounds + 1):
            # The order turns as well: no stack always comes behind the same neighbour.
            turn = number % len(taking_part)
            for one in (*taking_part[turn:], *taking_part[:turn]):
                result = one.measure(work.job, count if number else count // 2, work.size)
                if number and result:
                    row.rounds[one.entry].append(result)
        row.rounds = {entry: results for entry, results in row.rounds.items() if results}
        yield row
