"""One process that measures: a client or a server of one stack, told what to do line by line.

    python -m aiotls.bench.worker SETTINGS STACK LOOP

It reads one JSON object per line and answers each with one. ``cpu`` in an answer is the CPU time
of this process, all its threads, user and system, in seconds.
"""

from __future__ import annotations

import asyncio
import contextlib
import ctypes
import gc
import json
import os
import resource
import sys
import time
from typing import Any

from .settings import Settings
from .stacks import STACKS, Stack, new_event_loop
from .works import JOBS, Hold, Job, Peer, Visit


class Worker:
    """The state between two lines."""

    def __init__(self, stack: Stack) -> None:
        self.stack = stack
        self.job: Job | None = None
        self.hold: Hold | None = None

    async def answer(self, line: dict[str, Any]) -> dict[str, Any]:
        """Does what one line says."""
        what = line["do"]
        if what == "serve":
            return {"port": await self.stack.serve(Peer)}
        if what == "prepare":
            self.job = JOBS[line["job"]](self.stack, line["port"], line["count"], line["size"])
            if isinstance(self.job, Hold):
                self.hold = self.job
            elif isinstance(self.job, Visit) and self.hold is not None:
                self.job.hold = self.hold
            try:
                await self.job.prepare()
            except NotImplementedError:
                return {"unable": True}
            gc.collect()
            return {}
        if what == "run" and self.job is not None:
            begun, cpu = time.perf_counter(), time.process_time()
            more = await self.job.run()
            return {
                "used": time.process_time() - cpu,
                "wall": time.perf_counter() - begun,
                **more,
            }
        if what == "finish" and self.job is not None:
            await self.job.finish()
            return {}
        if what == "cpu":
            if line.get("collect"):
                gc.collect()
            return {"cpu": time.process_time()}
        if what == "keep memory":
            # What is given back once is kept from then on (mallopt(3), M_MMAP_THRESHOLD): whether
            # the allocator asks the system at each read is a matter of chance otherwise.
            bytes(1 << 20)
            return {}
        if what == "memory":
            return {"memory": resident()}
        raise ValueError(f"what is {line!r}?")


def resident() -> int:
    """Bytes of memory in use, after what is free was given back."""
    gc.collect()
    with contextlib.suppress(OSError, AttributeError):  # glibc alone has it
        ctypes.CDLL(None).malloc_trim(0)
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * resource.getpagesize()


async def converse(worker: Worker) -> None:
    """Answers line by line until there are no more."""
    loop = asyncio.get_running_loop()
    reader = asyncio.StreamReader()
    pipe = os.fdopen(os.dup(0), "rb", 0)
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), pipe)
    while line := await reader.readline():
        try:
            answer = await worker.answer(json.loads(line))
        except Exception as error:
            answer = {"error": f"{type(error).__name__}: {error}"}
        try:
            sys.stdout.write(json.dumps(answer) + "\n")
            sys.stdout.flush()
        except BrokenPipeError:
            os._exit(1)  # who asked has gone


def main() -> None:
    """Runs until standard input ends."""
    _, settings, stack, loop = sys.argv
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != hard:
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    worker = Worker(STACKS[stack](Settings.from_json(settings)))
    new_event_loop(loop).run_until_complete(converse(worker))
    # Nothing is tidied up: some stacks leave sockets behind that a loop would wait for.
    sys.stdout.flush()
    os._exit(0)


if __name__ == "__main__":
    main()
