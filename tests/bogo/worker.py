"""The worker behind the shim: everything imported once, and a fork for each case.

    python worker.py SOCKET [LOG]

listens on the Unix socket SOCKET until it is ended. LOG gets one line for each case that is
not implemented.
"""

from __future__ import annotations

import contextlib
import gc
import os
import pathlib
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence

CASE_TIMEOUT = 60
"""Seconds after which a case is given up, whatever it does."""

Main = Callable[[Sequence[str]], tuple[int, str]]


def serve(listener: socket.socket, main: Main, log: pathlib.Path | None) -> None:
    """Runs *main* in a fork of its own for each request; never returns."""
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # children are reaped by the kernel
    gc.collect()
    gc.freeze()
    while True:
        request, _ = listener.accept()
        if os.fork() == 0:
            listener.close()
            signal.alarm(CASE_TIMEOUT)
            answer(request, main, log)
        request.close()


def answer(request: socket.socket, main: Main, log: pathlib.Path | None) -> None:
    """One case, in a process of its own, which ends with it."""
    status, text = 90, "the worker could not read the case\n"
    try:
        with request.makefile("rb") as stream:
            size = int.from_bytes(stream.read(4), "big")
            data = stream.read(size)
        arguments = [os.fsdecode(part) for part in data.split(b"\0")] if data else []
        status, text = main(arguments)
        if status == 89 and log is not None:
            with log.open("a") as file:
                file.write(text)
    finally:
        with contextlib.suppress(OSError):
            request.sendall(bytes([status]) + text.encode("utf-8", "backslashreplace"))
            request.close()
        os._exit(0)


@contextlib.contextmanager
def running(path: pathlib.Path, log: pathlib.Path | None = None) -> Iterator[None]:
    """A worker that listens on the Unix socket *path* while the block runs."""
    command = [sys.executable, str(pathlib.Path(__file__).resolve()), str(path)]
    process = subprocess.Popen(command + ([str(log)] if log is not None else []))
    try:
        while not path.exists():
            if process.poll() is not None:
                raise RuntimeError("the worker did not start")
            time.sleep(0.02)
        yield
    finally:
        process.terminate()
        process.wait()
        path.unlink(missing_ok=True)


def main(arguments: Sequence[str]) -> None:
    sys.path[0] = str(pathlib.Path(__file__).resolve().parents[2])
    from tests.bogo import shim

    path = arguments[0]
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(path + ".new")
    listener.listen(128)
    os.rename(path + ".new", path)  # there only once it listens
    serve(listener, shim.main, pathlib.Path(arguments[1]) if arguments[1:] else None)


if __name__ == "__main__":
    main(sys.argv[1:])
