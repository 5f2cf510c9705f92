"""Other implementations of TLS, all driven in one way.

A peer is a client and a server. As a server it sends back all that it receives; as a
client it sends a payload, takes as much back, and says what came and what went wrong.
It runs in processes or threads of its own and knows nothing of the event loop under
test: its methods block, and a test calls :meth:`Peer.connect` in a thread.

What a peer can do stands in its class attributes, from which the tests make their
parameters; so a test that does not apply to a peer does not exist for it.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import socket
import subprocess
import tempfile
import threading
import time
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import IO, Any, ClassVar, Self

from aiotls.enums import Alert, CipherSuite, NamedGroup

PATIENCE = 30.0
"""Seconds after which whatever is still under way has failed."""

HOST = "127.0.0.1"


@dataclass(frozen=True)
class Credentials:
    """A certificate chain and its key as PEM files."""

    chain: Path
    key: Path


@dataclass(frozen=True, kw_only=True)
class Settings:
    """What a test asks of a peer. What is left out is as the peer has it by default."""

    credentials: Credentials | None = None
    trust: Path | None = None
    """The authorities to accept; a server that has them asks for a client certificate."""

    server_name: str = "localhost"
    groups: tuple[NamedGroup, ...] = ()
    suites: tuple[CipherSuite, ...] = ()
    alpn: tuple[str, ...] = ()
    tls12: bool = False
    """Whether to speak TLS 1.2 and nothing else, in place of TLS 1.3 and nothing else."""

    resume: bool = False
    """Whether a client connects twice, the second time to resume the session of the first; its
    outcome is that of the second connection."""

    tickets: bool = True
    """Whether a server of TLS 1.2 gives out tickets, or keeps its sessions by their ids."""

    extra: tuple[str | Path, ...] = ()
    """Further arguments for a program of ours, further directives for a server that has a file."""

    options: Mapping[str, Any] = field(default_factory=dict)
    """Further options for a program of ours that takes them by name."""

    packed: Path | None = None
    """A PKCS #12 file with one more key, for servers that keep keys in a database."""

    key_update: bool = False
    """Whether the peer changes its keys between any two lines of the payload, and asks for new
    ones in return. Each line begins with ``line``."""

    def but(self, **changes: Any) -> Self:
        return replace(self, **changes)


@dataclass(frozen=True)
class Outcome:
    """How a connection went, as the client has seen it."""

    data: bytes
    error: str
    """What the peer printed or raised; a peer that is content may be talkative too."""


@dataclass(frozen=True)
class Server:
    """A peer that is listening."""

    port: int
    log: Callable[[], str]
    """What it has had to say so far."""


class Peer:
    """One other implementation."""

    name: ClassVar[str]
    groups: ClassVar[Mapping[NamedGroup, str]]
    """The key exchanges that it can be told to use, with its names for them."""

    accepts: ClassVar[Collection[NamedGroup]] = ()
    """The key exchanges that it takes part in without being told to."""

    suites: ClassVar[Mapping[CipherSuite, str]]
    """The cipher suites that it can be told to use, with its names for them."""

    keys: ClassVar[Collection[str]] = ("p256", "p384", "rsa", "ed25519")
    """The kinds of key in certificates that it can show and accept."""

    also_accepts_keys: ClassVar[Collection[str]] = ()
    """Further kinds that it accepts only."""

    is_client: ClassVar[bool] = True
    is_server: ClassVar[bool] = True
    speaks_http: ClassVar[bool] = False
    """Whether its payloads are the bodies of HTTP requests and responses."""

    has_alpn: ClassVar[bool] = True
    checks_names: ClassVar[bool] = True
    takes_several_groups: ClassVar[bool] = True
    server_asks_for_certificates: ClassVar[bool] = True
    alert_without_certificate: ClassVar[Alert] = Alert.CERTIFICATE_REQUIRED
    """What a server sends to a client that shows no certificate (RFC 8446, section 4.4.2.4)."""

    alert_without_group: ClassVar[Alert] = Alert.HANDSHAKE_FAILURE
    """What a server sends to a client that has no group in common with it (section 4.1.1)."""

    refuses_in_http: ClassVar[bool] = False
    """Whether a server says in HTTP, not by an alert, that it wants a client certificate."""

    client_updates_keys: ClassVar[bool] = False
    server_updates_keys: ClassVar[bool] = False
    server_bytes: ClassVar[int] = 100_000
    """How much a server is sent at once where nothing depends on it."""

    client_mebibytes: ClassVar[int] = 64
    """How much a client moves each way in the test of a large transfer."""

    is_slow_to_start: ClassVar[bool] = False

    def missing(self) -> str | None:
        """Why the peer cannot be used on this machine, or None."""
        raise NotImplementedError

    def prepare(self, directory: Path) -> None:
        """Build what has to be built, once in a session; *directory* is shared by all."""

    def connect(self, port: int, settings: Settings, payload: bytes = b"") -> Outcome:
        """Be a client: connect, send *payload*, read as much, close. An error is an outcome."""
        raise NotImplementedError

    def serve(self, settings: Settings) -> contextlib.AbstractContextManager[Server]:
        """Be a server that echoes, for any number of connections, as long as the block lasts."""
        raise NotImplementedError

    def __repr__(self) -> str:
        return self.name


def missing_programs(*names: str) -> str | None:
    """A reason to skip when one of the programs is not installed."""
    absent = [name for name in names if find_program(name) is None]
    return f"{', '.join(absent)} not installed" if absent else None


def find_program(name: str) -> str | None:
    """The program's path; Debian keeps servers where a person's PATH does not look."""
    return shutil.which(name) or shutil.which(name, path="/usr/sbin:/sbin:/usr/local/sbin")


def free_port() -> int:
    """A port that nothing listens on, for programs that cannot choose one themselves."""
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        return int(probe.getsockname()[1])


# --- processes


class Process:
    """A peer's program with its standard streams; it ends with the block it is used in."""

    def __init__(self, *argv: str | Path, env: Mapping[str, str] | None = None) -> None:
        program = find_program(str(argv[0])) or str(argv[0])
        self.argv = [program, *map(str, argv[1:])]
        self._log = tempfile.TemporaryFile()
        self._popen = subprocess.Popen(
            self.argv,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._log,
            env=None if env is None else dict(env),
            bufsize=0,
        )
        self._watchdog: threading.Timer | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc_info: object) -> None:
        if self._watchdog is not None:
            self._watchdog.cancel()
        self._popen.terminate()
        try:
            self._popen.wait(2)
        except subprocess.TimeoutExpired:
            self._popen.kill()
            self._popen.wait()
        with contextlib.suppress(OSError):
            self.stdin.close()
        self.stdout.close()
        self._log.close()

    @property
    def stdin(self) -> IO[bytes]:
        if self._popen.stdin is None:
            raise RuntimeError("the process has no standard input")
        return self._popen.stdin

    @property
    def stdout(self) -> IO[bytes]:
        if self._popen.stdout is None:
            raise RuntimeError("the process has no standard output")
        return self._popen.stdout

    def log(self) -> str:
        """What the process has written to its standard error."""
        if self._log.closed:
            return ""
        # pread: the position is the process's own, which is still writing.
        return os.pread(self._log.fileno(), 1 << 20, 0).decode(errors="replace")

    def hurry(self, size: int = 0) -> None:
        """Kill the process when it is still there too long after, with *size* bytes to move.

        gnutls-cli takes a second for a mebibyte, and more where others are at work too.
        """
        patience = PATIENCE + 4 * size / (1 << 20)
        self._watchdog = threading.Timer(patience, self._popen.kill)
        self._watchdog.daemon = True
        self._watchdog.start()

    @property
    def ended(self) -> bool:
        return self._popen.poll() is not None

    def write(self, data: bytes) -> bool:
        """All of *data* to the standard input; False when nobody reads it any more."""
        view = memoryview(data)
        try:
            while view:
                view = view[self.stdin.write(view) :]
        except (OSError, ValueError):
            return False
        return True

    def finish(self) -> int:
        """Close the standard input and wait for the end; gives the exit status."""
        with contextlib.suppress(OSError):
            self.stdin.close()
        try:
            return self._popen.wait(PATIENCE)
        except subprocess.TimeoutExpired:
            self._popen.kill()
            return self._popen.wait()

    def wait_until_listening(self, port: int) -> bool:
        """False when the process has ended instead."""
        deadline = time.monotonic() + PATIENCE
        while not self.ended:
            if is_listening(port):
                return True
            if time.monotonic() > deadline:
                raise TimeoutError(f"{self.argv[0]} does not listen: {self.log()}")
            time.sleep(0.005)
        return False


def is_listening(port: int) -> bool:
    """Whether a TCP socket listens on *port*. On Linux that is found without connecting to it."""
    tables = [Path("/proc/net/tcp"), Path("/proc/net/tcp6")]
    if tables[0].exists():
        listening = "0A"  # as the kernel numbers the states of TCP
        rows = [
            line.split()
            for table in tables
            if table.exists()
            for line in table.read_text().splitlines()[1:]
        ]
        return any(row[1].endswith(f":{port:04X}") and row[3] == listening for row in rows)
    with contextlib.suppress(OSError), socket.create_connection((HOST, port), 1):
        return True
    return False


def converse(process: Process, payload: bytes) -> Outcome:
    """Send *payload* through a client that connects its standard streams to the peer's."""
    process.hurry(len(payload))
    feeder = threading.Thread(target=process.write, args=(payload,), daemon=True)
    feeder.start()
    data = read_exactly(process.stdout, len(payload))
    if len(data) < len(payload):
        process.finish()
    feeder.join(PATIENCE)
    status = process.finish()
    log = process.log()
    if len(data) == len(payload) and status != 0:
        log += f"\nexit status {status}"
    return Outcome(data, log)


def read_exactly(stream: IO[bytes], size: int) -> bytes:
    """As many bytes, or fewer when the stream ends before."""
    data = bytearray()
    while len(data) < size:
        chunk = stream.read(min(size - len(data), 1 << 18))
        if not chunk:
            break
        data += chunk
    return bytes(data)


@contextlib.contextmanager
def listening_process(
    command: Callable[[int], Sequence[str | Path]], run: Callable[[Process], object] | None = None
) -> Iterator[Server]:
    """The server that *command* makes for a port; *run* works its standard streams in a thread."""
    for attempt in range(5):
        port = free_port()
        with Process(*command(port)) as process:
            if not process.wait_until_listening(port):
                if attempt == 4:
                    raise RuntimeError(f"{process.argv} ended: {process.log()}")
                continue  # somebody else was given the port in the meantime
            worker = threading.Thread(target=run or _drain, args=(process,), daemon=True)
            worker.start()
            yield Server(port, process.log)
        worker.join(PATIENCE)
        return


def _drain(process: Process) -> None:
    with contextlib.suppress(OSError, ValueError):
        while process.stdout.read(1 << 16):
            pass


# --- threads


@contextlib.contextmanager
def listening_thread(serve: Callable[[socket.socket], object]) -> Iterator[Server]:
    """A server in this process: *serve* is called in a thread with each accepted socket."""
    errors: list[str] = []
    workers: list[threading.Thread] = []
    connections: list[socket.socket] = []
    listener = socket.create_server((HOST, 0))
    stopping = threading.Event()

    def handle(connection: socket.socket) -> None:
        try:
            with connection:
                serve(connection)
        except Exception as error:  # whatever a peer raises is what the test wants to see
            errors.append(describe(error))

    def accept() -> None:
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            if stopping.is_set():
                connection.close()
                return
            connection.settimeout(PATIENCE)
            connections.append(connection)
            worker = threading.Thread(target=handle, args=(connection,), daemon=True)
            workers.append(worker)
            worker.start()

    acceptor = threading.Thread(target=accept, daemon=True)
    acceptor.start()
    port = listener.getsockname()[1]
    try:
        yield Server(port, lambda: "\n".join(errors))
    finally:
        stopping.set()
        with contextlib.suppress(OSError):
            socket.create_connection((HOST, port), 1).close()  # wakes accept()
        acceptor.join(PATIENCE)
        listener.close()
        for connection in connections:
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)  # wakes a thread that reads from it
        for worker in workers:
            worker.join(PATIENCE)


def in_turns(
    send: Callable[[bytes], object], receive: Callable[[int], bytes], payload: bytes
) -> Iterator[bytes]:
    """Send as much as a socket's buffers hold, receive as much, and so on.

    In one thread: a connection of OpenSSL's is not to be used by two at the same time.
    """
    view = memoryview(payload)
    while view:
        window, view = view[: 1 << 16], view[1 << 16 :]
        send(bytes(window))
        missing = len(window)
        while missing:
            chunk = receive(missing)
            if not chunk:
                return
            missing -= len(chunk)
            yield chunk


def describe(error: BaseException) -> str:
    """An exception as a line of a log."""
    return f"{type(error).__name__}: {error!s} {error.args!r}"


def lines(size: int) -> bytes:
    """About *size* bytes of lines, no two of them alike.

    Text, as gnutls-serv needs it; not too short, as gnutls-cli makes a record of each.
    """
    return b"".join(b"line %01018d\n" % number for number in range(max(1, size // 1024)))


# --- HTTP, for peers that speak nothing simpler


def http_request(payload: bytes) -> bytes:
    """A request that carries *payload* to a server that echoes."""
    return (
        b"POST /echo HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n"
        b"Content-Type: application/octet-stream\r\nContent-Length: %d\r\n\r\n" % len(payload)
    ) + payload


def http_body(response: bytes) -> bytes:
    """The body of a response that is complete."""
    head, _, body = response.partition(b"\r\n\r\n")
    if not head.startswith((b"HTTP/1.1 200 ", b"HTTP/1.0 200 ")):
        raise ValueError(f"not the response that was expected: {head[:200]!r}")
    if body.startswith(b"POST /echo"):
        # NSS's selfserv sends the whole request back, and a mark of its own after it.
        body = body.partition(b"\r\n\r\n")[2].removesuffix(b"EOF\r\n\r\n\r\n")
    return body
