"""``aiotls serve --workers N``: several processes behind one port.

Each worker listens on the port by itself (SO_REUSEPORT), so that the kernel deals out the
connections, and is a server of its own. What has to be common comes from the parent: the ticket
keys, so that a session goes on at whichever worker its client meets, and the signals. The parent
serves nobody. It is a loop around ``sigwait``: no event loop, no thread, nothing that a fork
could copy half way.
"""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from multiprocessing import Pipe
from multiprocessing.connection import Connection
from typing import NoReturn

from ..sessions import TicketKey, TicketKeyRing
from ..trace.text import clean
from .main import BROKEN_PIPE, FAILED, OK, USAGE, Failure, explain

MAX_WORKERS = 256
ROTATION = 43_200.0
"""Seconds until the parent puts a fresh ticket key in front."""

PATIENCE = 5.0
"""Seconds that workers have to end, before they are killed."""


@dataclass(frozen=True, slots=True)
class Place:
    """What a worker is given: where it listens, and its line to the parent."""

    number: int
    addresses: list[tuple[socket.AddressFamily, tuple[object, ...]]]
    ticket_keys: TicketKeyRing
    pipe: Connection

    def sockets(self) -> list[socket.socket]:
        """Sockets of this worker's own, on the addresses that all share."""
        return [_bound(family, address) for family, address in self.addresses]

    def attend(self, ended: Callable[[], None]) -> None:
        """Says that this worker serves. Fresh keys are taken from now on; *ended*: no parent."""
        self.pipe.send(None)
        loop = asyncio.get_running_loop()

        def told() -> None:
            try:
                self.ticket_keys.replace(tuple(TicketKey(*key) for key in self.pipe.recv()))
            except (EOFError, OSError):
                loop.remove_reader(self.pipe.fileno())
                ended()

        loop.add_reader(self.pipe.fileno(), told)

    def leave(self) -> None:
        """Ends the attention. To be called while the loop still runs."""
        asyncio.get_running_loop().remove_reader(self.pipe.fileno())


@dataclass(slots=True)
class _Worker:
    number: int
    pipe: Connection
    ready: bool = False


def check_count(count: int) -> None:
    """Raises Failure for a number of workers that cannot be had here."""
    if not hasattr(os, "fork") or not hasattr(socket, "SO_REUSEPORT"):
        raise Failure("--workers needs fork and SO_REUSEPORT, which are not here", code=USAGE)
    if not 1 <= count <= MAX_WORKERS:
        raise Failure(f"--workers is 1 to {MAX_WORKERS}", code=USAGE)


class Workers:
    """The parent of *count* workers. *work* is what each of them runs, *say* prints a line."""

    def __init__(
        self, count: int, host: str, port: int, work: Callable[[Place], int],
        say: Callable[[str], None],
    ) -> None:  # fmt: skip
        check_count(count)
        self._count = count
        self._host = host
        self._port = port
        self._work = work
        self._say = say
        self._ring = TicketKeyRing(rotation=None)  # the parent turns it, for all at once
        self._running: dict[int, _Worker] = {}
        self._mask: set[int] = set()
        self._broken = False

    def run(self, announce: Callable[[list[tuple[object, ...]]], None]) -> int:
        """Starts the workers, *announces* their addresses, and minds them until SIGTERM."""
        # Bound and not listening, these get no connections; they hold the port for the workers.
        held = _reserve(self._host, self._port)
        addresses = [(sock.family, sock.getsockname()) for sock in held]
        watched = {signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGCHLD, signal.SIGALRM}
        for number in (signal.SIGCHLD, signal.SIGALRM):
            signal.signal(number, _nothing)  # or it is dropped, not kept for sigwait
        self._mask = set(signal.pthread_sigmask(signal.SIG_BLOCK, watched))
        try:
            for each in range(1, self._count + 1):
                self._start(each, addresses)
            for worker in self._running.values():
                if not _is_ready(worker):
                    raise Failure(f"worker {worker.number} does not start")
            announce([address for _, address in addresses])
            signal.setitimer(signal.ITIMER_REAL, ROTATION, ROTATION)
            self._mind(watched, addresses)
        finally:
            signal.setitimer(signal.ITIMER_REAL, 0)
            self._end()
            for sock in held:
                sock.close()
            signal.pthread_sigmask(signal.SIG_SETMASK, self._mask)
        if self._broken:
            raise BrokenPipeError
        return OK

    def _mind(
        self,
        watched: set[signal.Signals],
        addresses: list[tuple[socket.AddressFamily, tuple[object, ...]]],
    ) -> None:
        while True:
            number = signal.sigwait(watched)
            if number == signal.SIGCHLD:
                for worker in self._collect():
                    self._start(worker.number, addresses)
                if self._broken:
                    return
            elif number == signal.SIGALRM:
                self._rotate()
            elif number == signal.SIGHUP:
                self._pass_on(signal.SIGHUP)
            else:
                return

    def _start(
        self, number: int, addresses: list[tuple[socket.AddressFamily, tuple[object, ...]]]
    ) -> None:
        ours, theirs = Pipe()
        sys.stdout.flush()
        sys.stderr.flush()
        pid = os.fork()
        if not pid:
            ours.close()
            self._be_worker(Place(number, addresses, self._ring, theirs))
        theirs.close()
        self._running[pid] = _Worker(number, ours)

    def _be_worker(self, place: Place) -> NoReturn:
        """The rest of the life of a worker's process."""
        code = FAILED
        try:
            for sibling in self._running.values():
                sibling.pipe.close()  # each ends with the last end of its parent's side
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            # Until its loop has handlers, a worker neither reloads nor dies of being asked to.
            signal.signal(signal.SIGHUP, signal.SIG_IGN)
            signal.pthread_sigmask(signal.SIG_SETMASK, self._mask)
            code = self._work(place)
        except BrokenPipeError:
            code = BROKEN_PIPE
        except KeyboardInterrupt:
            code = OK
        except Exception as error:
            self._say(f"worker {place.number}: {clean(explain(error).message)}")
        finally:
            try:
                sys.stdout.flush()
                sys.stderr.flush()
            finally:
                os._exit(code)  # not up the parent's stack, of which this is a copy

    def _collect(self) -> list[_Worker]:
        """Those that have died; each costs a line. Raises Failure for one that never served."""
        dead = []
        while self._running:
            try:
                pid, status = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                break
            if not pid:
                break
            worker = self._running.pop(pid, None)
            if worker is None:
                continue
            code = os.waitstatus_to_exitcode(status)
            served = _is_ready(worker)
            worker.pipe.close()
            if code == BROKEN_PIPE:
                self._broken = True
                continue
            how = f"by {signal.Signals(-code).name}" if code < 0 else f"with exit code {code}"
            self._say(f"worker {worker.number} (process {pid}) ended {how}")
            if not served:
                raise Failure(f"worker {worker.number} does not start")
            self._say(f"worker {worker.number} is started again")
            dead.append(worker)
        return dead

    def _rotate(self) -> None:
        self._ring.rotate()
        keys = [(key.name, key.key, key.created) for key in self._ring.keys]
        for worker in self._running.values():
            try:
                worker.pipe.send(keys)
            except OSError:
                pass  # it has died, as SIGCHLD is about to say

    def _pass_on(self, number: signal.Signals) -> None:
        for pid in self._running:
            try:
                os.kill(pid, number)
            except ProcessLookupError:
                pass

    def _end(self) -> None:
        """Asks the workers to end, and sees to it that they do."""
        self._pass_on(signal.SIGTERM)
        deadline = time.monotonic() + PATIENCE
        while self._running:
            pid, _ = os.waitpid(-1, os.WNOHANG)
            if pid:
                worker = self._running.pop(pid, None)
                if worker is not None:
                    worker.pipe.close()
            elif time.monotonic() > deadline:
                self._pass_on(signal.SIGKILL)
                deadline = float("inf")
            else:
                time.sleep(0.01)


def _is_ready(worker: _Worker) -> bool:
    """Waits until the worker serves, or has died before it did."""
    if not worker.ready:
        try:
            worker.pipe.recv()
        except (EOFError, OSError):
            return False
        worker.ready = True
    return True


def _reserve(host: str, port: int) -> list[socket.socket]:
    """Bound sockets, one for each address of *host*, all with the same port. Raises OSError."""
    found = socket.getaddrinfo(host or None, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    held: list[socket.socket] = []
    try:
        for family, _, _, _, address in found:
            wanted = (address[0], port, *address[2:])
            # Who else shares its port would share it with these too, unnoticed: so it is asked
            # for alone first.
            _bound(family, wanted, alone=True).close()
            held.append(_bound(family, wanted))
            port = held[-1].getsockname()[1]
    except OSError:
        for sock in held:
            sock.close()
        raise
    return held


def _bound(
    family: socket.AddressFamily, address: tuple[object, ...], *, alone: bool = False
) -> socket.socket:
    sock = socket.socket(family, socket.SOCK_STREAM)
    try:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, not alone)
        if family == socket.AF_INET6:
            sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        sock.bind(address)
        sock.setblocking(False)
    except OSError:
        sock.close()
        raise
    return sock


def _nothing(number: int, frame: object) -> None:
    pass
