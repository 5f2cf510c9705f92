"""``aiotls connect``: a verified connection to a server, then a pipe.

The verdict and the facts go to standard error, and the data to standard output, so that both
can be redirected by themselves. What comes on standard input is sent.
"""

from __future__ import annotations

import argparse
import asyncio
import base64
import dataclasses
import json
import math
import os
import re
import sys
import threading
import time
from pathlib import Path
from typing import Any

from ..config import ClientConfig
from ..connection import TLSConnection
from ..endpoints import create_connection, start_tls
from ..enums import HandshakeType, ProtocolVersion
from ..errors import TLSError, UsageError
from ..identity import Identity
from ..keylog import KeyLogFile
from ..streams import LIMIT, StreamReaderProtocol
from ..transport import TLSTransport
from ..trust import TrustStore, check_name
from . import report, starttls
from .main import OK, UNVERIFIED, USAGE, Failure, run_async
from .terminal import Terminal

CHUNK = 1 << 16
DEFAULT_PORT = 443


def register(commands: Any) -> None:
    """Declares the command's arguments."""
    command = commands.add_parser(
        "connect",
        help="connect to a server, say whether it is who it should be, then pipe",
        description=__doc__.partition("\n\n")[2],
        epilog="Example: printf 'HEAD / HTTP/1.0\\r\\nHost: example.com\\r\\n\\r\\n' | "
        "aiotls connect example.com",
    )
    add_target(command)
    command.add_argument(
        "--linger",
        type=float,
        default=2.0,
        metavar="SECONDS",
        help="when standard input has ended: how long the server may be silent until this side "
        "closes (default: %(default)s)",
    )
    command.add_argument(
        "--resume",
        action="store_true",
        help="connect twice, and show whether the second handshake resumes the first session",
    )
    command.add_argument(
        "--early-data",
        metavar="FILE",
        help="connect twice, and send the file ahead of the second handshake (0-RTT); what the "
        "server does not take that way is sent after it",
    )
    command.add_argument(
        "--json", action="store_true", help="print the facts as one JSON object, and do not pipe"
    )
    command.set_defaults(run=run)


def add_target(command: argparse.ArgumentParser, what: str = "HOST[:PORT]") -> None:
    """The arguments that say whom to talk to and how."""
    command.add_argument("target", metavar=what, help="default port: 443, or --starttls's")
    command.add_argument(
        "--alpn",
        action="append",
        default=[],
        metavar="NAME",
        help="offer an application protocol, such as h2 or http/1.1; repeat for more",
    )
    command.add_argument(
        "--servername", metavar="NAME", help="ask for, and verify, this name instead of HOST"
    )
    command.add_argument("--cafile", metavar="FILE", help="trust these PEM certificates only")
    command.add_argument("--cert", metavar="FILE", help="client certificate chain, PEM")
    command.add_argument("--key", metavar="FILE", help="its key, PEM, if not in the same file")
    command.add_argument(
        "--insecure",
        action="store_true",
        help="go on with a server that cannot be verified (the exit code says so)",
    )
    command.add_argument(
        "--tls",
        choices=["1.2", "1.3"],
        help="speak this version only (default: both, the newer if the server can)",
    )
    command.add_argument(
        "--groups",
        metavar="LIST",
        help="offer these key exchanges, in this order: X25519MLKEM768,X25519,secp256r1",
    )
    command.add_argument(
        "--ech",
        metavar="LIST",
        help="encrypt the ClientHello to this ECHConfigList: base64 as in the server's HTTPS "
        "record, or a file with it or with a PEM ECHCONFIG",
    )
    command.add_argument(
        "--keylog", metavar="FILE", help="append the secrets for Wireshark: see explain key log"
    )
    command.add_argument(
        "--starttls",
        choices=sorted(starttls.DIALOGUES),
        metavar="PROTOCOL",
        help=f"begin in the plaintext of this protocol: {', '.join(sorted(starttls.DIALOGUES))}",
    )
    command.add_argument(
        "--timeout",
        type=float,
        default=15.0,
        metavar="SECONDS",
        help="for connecting and the handshake (default: %(default)s)",
    )


@dataclasses.dataclass(frozen=True, slots=True)
class Target:
    """Whom to talk to."""

    host: str
    port: int
    name: str
    """What the server is to be verified by."""

    starttls: str | None
    timeout: float

    @property
    def label(self) -> str:
        """The host, as the verdict names it."""
        return self.host if self.name == self.host else f"{self.host} as {self.name}"


def parse_target(options: argparse.Namespace) -> Target:
    """HOST[:PORT] and what belongs to it. Raises Failure for what cannot be right."""
    port = starttls.DIALOGUES[options.starttls][0] if options.starttls else DEFAULT_PORT
    host, port = split_target(options.target, port)
    try:
        name = check_name(host if options.servername is None else options.servername)
    except UsageError as error:
        raise Failure(str(error), hint=error.hint, code=USAGE) from error
    if not 0 < options.timeout < math.inf:
        raise Failure("--timeout is a positive number of seconds", code=USAGE)
    return Target(host, port, name, options.starttls, options.timeout)


def check_seconds(option: str, seconds: float) -> None:
    """Raises Failure for what is no time to wait."""
    if not 0 <= seconds < math.inf:
        raise Failure(f"{option} is a number of seconds, 0 or more", code=USAGE)


def split_target(text: str, port: int) -> tuple[str, int]:
    """``host``, ``host:port``, ``[v6]:port``, ``v6`` or an https URL as host and port."""
    scheme, found, rest = text.partition("://")
    if found:
        if scheme.lower() != "https":
            raise Failure(f"{scheme}:// is not TLS; give HOST:PORT", code=USAGE)
        text = re.split(r"[/?#]", rest, maxsplit=1)[0].rpartition("@")[2]
    if text.startswith("["):
        host, closed, rest = text[1:].partition("]")
        if not closed:
            raise Failure(f"{text!r} has no closing bracket: [ADDRESS]:PORT", code=USAGE)
        if rest:
            rest = rest[1:] or "?" if rest.startswith(":") else "?"
    elif text.count(":") > 1:
        host, rest = text, ""
    else:
        host, colon, rest = text.partition(":")
        if colon and not rest:
            rest = "?"
    if not host:
        raise Failure("a host is missing: HOST[:PORT]", code=USAGE)
    if rest:
        if not (rest.isascii() and rest.isdigit() and 0 < int(rest[:6]) < 65_536):
            raise Failure(f"{text!r} has no port from 1 to 65535", code=USAGE)
        port = int(rest)
    return host, port


def make_config(options: argparse.Namespace) -> ClientConfig:
    """The configuration that the options ask for. Raises UsageError."""
    if options.key and not options.cert:
        raise Failure("--key needs --cert", code=USAGE)
    changes: dict[str, Any] = {}
    if options.tls:
        version = ProtocolVersion.TLSv1_2 if options.tls == "1.2" else ProtocolVersion.TLSv1_3
        changes |= {"min_version": version, "max_version": version}
    if options.groups is not None:
        changes["groups"] = [name.strip() for name in options.groups.split(",")]
    if options.ech is not None:
        changes["ech"] = read_ech(options.ech)
    if options.keylog is not None:
        changes["key_log"] = KeyLogFile(options.keylog)
    return ClientConfig(
        trust=read_trust(options.cafile) if options.cafile else None,
        identity=Identity.from_files(options.cert, options.key) if options.cert else None,
        alpn_protocols=options.alpn,
        dangerous_disable_verification=options.insecure,
        **changes,
    )


def read_trust(path: str) -> TrustStore:
    """The authorities of a file that was named: whose they are is its owner's to say.

    They are one's own more often than public ones, and what ``openssl req -x509`` makes has no key
    usage, which public ones must have.
    """
    return TrustStore.from_files(cafile=path, profile="private-pki")


def read_ech(text: str) -> bytes:
    """An ECHConfigList given as base64, or as a file. Raises Failure for what is neither."""
    if os.path.isfile(text):
        with open(text, encoding="ascii", errors="replace") as file:
            text = file.read()
        block = re.search(r"-----BEGIN ECHCONFIG-----(.*?)-----END ECHCONFIG-----", text, re.DOTALL)
        if block is not None:
            text = block[1]
    try:
        return base64.b64decode("".join(text.split()), validate=True)
    except ValueError as error:
        raise Failure(
            "--ech takes an ECHConfigList in base64, or a file that exists",
            hint="The server's HTTPS record in DNS has it: dig HOST TYPE65",
            code=USAGE,
        ) from error


class Asked:
    """An observer that notices whether the server asks for a client certificate, and takes it.

    A server of TLS 1.3 says what it thinks of the client's answer when the client's handshake is
    over (RFC 8446, section 4.4.2.4); a ticket, which comes after that, says that it is content.
    """

    def __init__(self) -> None:
        self.for_certificate = False
        self.answered = asyncio.Event()

    def message(self, sent: bool, kind: int, data: bytes, protected: bool) -> None:
        """Called by the engine with each message of the handshake."""
        if sent:
            return
        if kind == HandshakeType.CERTIFICATE_REQUEST:
            self.for_certificate = True
        elif kind == HandshakeType.NEW_SESSION_TICKET:
            self.answered.set()


@dataclasses.dataclass(slots=True)
class Link:
    """An established connection, and how long it took."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter
    transport: TLSTransport
    address: str
    tcp: float
    handshake: float

    @property
    def connection(self) -> TLSConnection:
        """The engine."""
        return self.transport.connection


async def open_early(target: Target, config: ClientConfig, data: bytes) -> Link:
    """Connects with *data* ahead of the handshake, or after it where that is not taken."""
    loop = asyncio.get_running_loop()
    reader = asyncio.StreamReader(limit=LIMIT, loop=loop)
    start = connected = time.perf_counter()

    def factory() -> StreamReaderProtocol:
        nonlocal connected
        connected = time.perf_counter()
        return StreamReaderProtocol(reader, loop=loop)

    async with deadline(target):
        transport, protocol = await create_connection(
            factory,
            target.host,
            target.port,
            ssl=config,
            server_hostname=target.name,
            ssl_handshake_timeout=target.timeout,
            early_data=data,
            replay=True,
        )
    handshake = time.perf_counter() - connected
    writer = asyncio.StreamWriter(transport, protocol, reader, loop)
    address = _shown(transport.get_extra_info("peername"))
    return Link(reader, writer, transport, address, connected - start, handshake)


async def open_link(target: Target, config: ClientConfig) -> Link:
    """Connects, leads the plaintext dialogue if there is one, and shakes hands."""
    loop = asyncio.get_running_loop()
    start = time.perf_counter()
    async with deadline(target):
        plain_transport, plain = await loop.create_connection(
            starttls.Plaintext, target.host, target.port
        )
    tcp = time.perf_counter() - start
    try:
        async with deadline(target):
            if target.starttls is not None:
                await starttls.upgrade(target.starttls, plain, target.name)
            peer = plain_transport.get_extra_info("peername")
            start = time.perf_counter()
            reader = asyncio.StreamReader(limit=LIMIT, loop=loop)
            protocol = StreamReaderProtocol(reader, loop=loop)
            transport = await start_tls(
                plain_transport,
                protocol,
                config,
                server_hostname=target.name,
                ssl_handshake_timeout=target.timeout,
            )
    except BaseException:
        plain_transport.abort()
        raise
    handshake = time.perf_counter() - start
    protocol.connection_made(transport)
    writer = asyncio.StreamWriter(transport, protocol, reader, loop)
    return Link(reader, writer, transport, _shown(peer), tcp, handshake)


def _shown(peer: tuple[Any, ...]) -> str:
    return f"{peer[0]}:{peer[1]}" if ":" not in peer[0] else f"[{peer[0]}]:{peer[1]}"


class deadline:
    """asyncio.timeout with a message."""

    def __init__(self, target: Target) -> None:
        self._target = target
        self._timeout = asyncio.timeout(target.timeout)

    async def __aenter__(self) -> None:
        await self._timeout.__aenter__()

    async def __aexit__(self, *exc: Any) -> None:
        try:
            await self._timeout.__aexit__(*exc)
        except TimeoutError:
            target = self._target
            raise TimeoutError(
                f"no answer from {target.host} port {target.port} in {target.timeout:g} s"
            ) from None


def run(options: argparse.Namespace) -> int:
    """Runs the command."""
    target = parse_target(options)
    check_seconds("--linger", options.linger)
    config = make_config(options)
    early = None
    if options.early_data is not None:
        if target.starttls is not None:
            raise Failure("--early-data and --starttls do not go together", code=USAGE)
        if options.tls == "1.2":
            raise Failure("--early-data is for TLS 1.3 alone", code=USAGE)
        early = Path(options.early_data).read_bytes()
    return run_async(lambda: connect(target, config, options, early))


async def connect(
    target: Target, config: ClientConfig, options: argparse.Namespace, early: bytes | None = None
) -> int:
    """One connection, from the handshake to its end."""
    if options.resume or early is not None:
        await _fetch_session(target, config)
    asked = Asked()
    config = config.replace(observer=asked)
    if early is None:
        link = await open_link(target, config)
    else:
        link = await open_early(target, config, early)
    try:
        told = report.facts(link.connection)
        reason = None
        if config.dangerous_disable_verification:
            reason = what_insecure_skipped(link.connection, target, config)
        if options.json:
            await _hear_refusal(link, asked, options.linger)
            told |= {
                "ok": reason is None,
                "reason": reason,
                "address": link.address,
                "tcp_seconds": link.tcp,
                "handshake_seconds": link.handshake,
            }
            print(json.dumps(told, indent=2))
        else:
            _show(target, link, told, reason, options)
            await pipe(link, options.linger, waits=bool(early), asked=asked)
    finally:
        await close(link)
    return OK if reason is None else UNVERIFIED


async def _hear_refusal(link: Link, asked: Asked, linger: float) -> None:
    """Waits for what a server says to the client's certificate, or to there being none.

    Raises AlertReceived where it refuses. Where it says nothing, *linger* seconds are enough.
    """
    agreed = link.connection.established
    if not asked.for_certificate or agreed is None or agreed.version != ProtocolVersion.TLSv1_3:
        return
    reading = asyncio.ensure_future(link.reader.read(1))
    answering = asyncio.ensure_future(asked.answered.wait())
    done, waiting = await asyncio.wait(
        (reading, answering), timeout=linger, return_when=asyncio.FIRST_COMPLETED
    )
    for future in waiting:
        future.cancel()
    await asyncio.gather(*waiting, return_exceptions=True)
    if reading in done:
        reading.result()


async def _fetch_session(target: Target, config: ClientConfig) -> None:
    """A first connection, for its ticket: the configuration's cache keeps that."""
    link = await open_link(target, config)
    # Tickets come after the handshake, and some servers send them with their first data only.
    try:
        async with asyncio.timeout(0.5):
            await link.reader.read(1)
    except TimeoutError:
        pass
    await close(link)


def what_insecure_skipped(connection: TLSConnection, target: Target, config: ClientConfig) -> str:
    """Why the verification would have failed, or that no one looked."""
    peer = connection.peer
    chain, staple = ((), None) if peer is None else (peer.chain, peer.staple)
    reason = report.why_unverified(chain, target.name, config.trust, config.clock(), staple)
    return reason or "--insecure was given, though its certificate is in order"


def _show(
    target: Target,
    link: Link,
    told: dict[str, Any],
    reason: str | None,
    options: argparse.Namespace,
) -> None:
    terminal = Terminal.of(sys.stderr)
    terminal.line(report.verdict(terminal, target.label, told, reason))
    lines = report.fact_lines(told)
    if options.early_data is not None:
        taken = "taken" if told["early_data"] else "not taken, and sent after the handshake"
        lines.append(f"0-RTT data was {taken}")
    if (options.resume or options.early_data is not None) and not told["resumed"]:
        lines.append("the server did not resume the session")
    lines.append(f"{link.address}, {report.timing_line(link.tcp, link.handshake)}")
    for line in lines:
        terminal.line(terminal.paint("*", "dim") + " " + line)
    terminal.flush()


async def close(link: Link) -> None:
    """Says goodbye; a peer that does not wait for it is no failure of this command."""
    link.writer.close()
    try:
        await link.writer.wait_closed()
    except OSError:  # after the last word, how the peer hung up makes no difference
        pass


# -- the pipe --------------------------------------------------------------------------------------


async def pipe(link: Link, linger: float, waits: bool = False, asked: Asked | None = None) -> None:
    """Standard input to the server and the server to standard output, until one of them ends.

    When standard input ends the server may have more to say: this side half-closes after
    *linger* seconds of silence, as some servers drop a request whose sender has half-closed,
    and closes after the same time again. If nothing was sent there is nothing to wait for, unless
    *waits*: something has been sent before; or unless the server is yet to say whether it takes
    the client's certificate, which it has *asked* for.
    """
    pump = _Input(link.writer)
    pump.start()
    output = _Output()
    ended = False
    while True:
        waiting: float | None = None
        if pump.done.is_set():
            judging = asked is not None and asked.for_certificate and not asked.answered.is_set()
            waiting = linger if pump.sent or waits or judging else min(linger, 0.3)
        data = await _read(link.reader, pump, waiting)
        if data is None:
            if not pump.done.is_set():
                continue
            if ended or not (pump.sent or waits) or not link.transport.can_write_eof():
                return
            link.writer.write_eof()
            ended = True
        elif not data:
            return
        else:
            await output.write(data)


async def _read(reader: asyncio.StreamReader, pump: _Input, waiting: float | None) -> bytes | None:
    """What the server sends; None when it is silent for *waiting* seconds, or the input ended."""
    reading = asyncio.ensure_future(reader.read(CHUNK))
    watched: set[asyncio.Future[Any]] = {reading}
    if waiting is None:
        ending = asyncio.ensure_future(pump.done.wait())
        watched.add(ending)
    try:
        await asyncio.wait(watched, timeout=waiting, return_when=asyncio.FIRST_COMPLETED)
        if reading.done():
            return reading.result()
        return None
    finally:
        for future in watched:
            if not future.done():
                future.cancel()
        await asyncio.gather(*watched, return_exceptions=True)


class _Input:
    """Standard input, read by a thread: no loop can wait for a file and a terminal alike."""

    def __init__(self, writer: asyncio.StreamWriter) -> None:
        self.done = asyncio.Event()
        """Set when there is no more input."""
        self.sent = 0
        self._writer = writer
        self._loop = asyncio.get_running_loop()

    def start(self) -> None:
        """Starts the thread. It is not waited for: a read from a terminal has no end."""
        threading.Thread(target=self._run, name="aiotls-stdin", daemon=True).start()

    def _run(self) -> None:
        try:
            while data := os.read(0, CHUNK):
                asyncio.run_coroutine_threadsafe(self._send(data), self._loop).result()
        except (OSError, RuntimeError, asyncio.CancelledError):
            pass  # the connection or the loop has ended, which the reading side sees
        except BaseException as error:
            if not isinstance(error, TLSError):
                raise
        try:
            self._loop.call_soon_threadsafe(self.done.set)
        except RuntimeError:  # the loop is closed
            pass

    async def _send(self, data: bytes) -> None:
        self.sent += len(data)
        self._writer.write(data)
        await self._writer.drain()


class _Output:
    """Standard output. Blocking writes are moved off the loop, so that a slow reader of the
    pipe slows down the server and not this program.
    """

    async def write(self, data: bytes) -> None:
        """Writes all of *data*. Raises BrokenPipeError when no one reads any more."""
        await asyncio.get_running_loop().run_in_executor(None, _write_all, data)


def _write_all(data: bytes) -> None:
    view = memoryview(data)
    while view:
        view = view[os.write(1, view) :]
