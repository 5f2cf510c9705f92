"""``aiotls serve``: a TLS server for a directory, in front of a plaintext server, or an echo.

A line for each connection and each request goes to standard output; a handshake that fails
costs one line that says why.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import dataclasses
import errno
import json
import logging
import signal
import socket
import struct
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from ..budget import HandshakeBudget
from ..config import ClientAuth, ServerConfig
from ..config.validation import known_alpn_name
from ..errors import TLSError
from ..identity import Identity
from ..streams import start_server
from ..trace.text import clean
from . import http
from .authority import alternative_names
from .cert import LEAF_DAYS, the_authority, trust_lines
from .connect import read_trust, split_target
from .main import OK, USAGE, Failure, run_async
from .terminal import Terminal
from .workers import Place, Workers, check_count

CHUNK = 1 << 16
BACKEND_TIMEOUT = 10.0
RESET = struct.pack("hh" if sys.platform == "win32" else "ii", 1, 0)
"""SO_LINGER for a close that resets; Windows has shorter numbers."""
GRACE = 2.0
"""Seconds that open connections have to finish when the server ends."""


def register(commands: Any) -> None:
    """Declares the command's arguments."""
    command = commands.add_parser(
        "serve",
        help="serve a directory over HTTPS, or echo",
        description=__doc__.partition("\n\n")[2],
        epilog="Example: aiotls serve public/ --cert chain.pem --key key.pem --port 8443",
    )
    command.add_argument(
        "directory", nargs="?", metavar="DIR", help="what to serve over HTTP/1.1 (default: echo)"
    )
    command.add_argument("--echo", action="store_true", help="send back what comes in")
    command.add_argument(
        "--proxy", metavar="HOST:PORT", help="carry the bytes to a plaintext server, and back"
    )
    command.add_argument(
        "--cert", action="append", default=[], metavar="FILE",
        help="certificate chain, PEM; repeat for more names; auto: made by a development "
        "authority that is kept for the next time",
    )  # fmt: skip
    command.add_argument(
        "--key", action="append", default=[], metavar="FILE",
        help="its key, PEM, if not in the same file; one for each --cert, in the same order",
    )  # fmt: skip
    command.add_argument(
        "--name", action="append", default=[], help="a further name for --cert auto"
    )
    command.add_argument(
        "--client-ca", metavar="FILE", help="require client certificates from these authorities"
    )
    command.add_argument(
        "--host", default="127.0.0.1", help="address to listen on (default: %(default)s)"
    )
    command.add_argument("--port", type=int, default=8443, help="0 for any (default: %(default)s)")
    command.add_argument(
        "--alpn", action="append", default=[], metavar="NAME",
        help="application protocols; http/1.1 with a directory",
    )  # fmt: skip
    command.add_argument(
        "--workers", type=int, default=1, metavar="N",
        help="so many processes on one port, with common ticket keys (default: %(default)s)",
    )  # fmt: skip
    command.add_argument(
        "--max-handshakes", type=int, metavar="N",
        help="shed clients beyond so many handshakes at a time (of each worker)",
    )  # fmt: skip
    command.add_argument(
        "--max-handshakes-per-address", type=int, metavar="N",
        help="shed clients beyond so many handshakes at a time from one address",
    )  # fmt: skip
    command.add_argument("--quiet", action="store_true", help="no lines for what goes well")
    command.add_argument(
        "--json", action="store_true",
        help='a JSON object for each line: {"event": ..., ...}',
    )  # fmt: skip
    command.set_defaults(run=run)


def make_config(options: argparse.Namespace) -> ServerConfig:
    """The configuration that the options ask for. Raises UsageError and Failure."""
    if not options.cert:
        raise Failure(
            "a server needs a certificate: --cert and --key",
            hint="--cert auto has one made for this machine, by a development authority.",
            code=USAGE,
        )
    if options.key and len(options.key) != len(options.cert):
        raise Failure("give one --key for each --cert, or none", code=USAGE)
    # What these two say may be refused, before anything is made or said.
    trust = read_trust(options.client_ca) if options.client_ca else None
    for name in options.alpn:
        known_alpn_name(name)
    automatic = "auto" in options.cert
    if automatic and (options.key or len(options.cert) > 1):
        raise Failure("--cert auto stands alone, without --key", code=USAGE)
    if options.name and not automatic:
        raise Failure("--name is for --cert auto", code=USAGE)
    if automatic:
        identities = [_development_identity(options)]
    else:
        keys = options.key or [None] * len(options.cert)
        pairs = zip(options.cert, keys, strict=True)
        identities = [Identity.from_files(certificate, key) for certificate, key in pairs]
    alpn = options.alpn or (["http/1.1"] if options.directory else [])
    return ServerConfig(
        identities=identities,
        trust=trust,
        client_auth=ClientAuth.REQUIRED if options.client_ca else ClientAuth.NONE,
        alpn_protocols=alpn,
        # A client with protocols of another kind is still one to be served here.
        alpn_optional=not options.alpn,
    )


def make_budget(options: argparse.Namespace) -> HandshakeBudget | None:
    """The limits on handshakes that the options ask for. Raises UsageError."""
    limits = {
        "concurrent": options.max_handshakes,
        "per_address": options.max_handshakes_per_address,
    }
    given = {name: limit for name, limit in limits.items() if limit is not None}
    return HandshakeBudget(**given) if given else None


def terminal_of(options: argparse.Namespace) -> Terminal:
    """Where the lines go; what is JSON stays whole on a terminal too."""
    terminal = Terminal.of(sys.stdout)
    return dataclasses.replace(terminal, folds=False) if options.json else terminal


def line_of(options: argparse.Namespace, text: str, event: str, facts: dict[str, Any]) -> str:
    """A line of output: for people, or with --json for programs."""
    if not options.json:
        return text
    return json.dumps({"event": event, **(facts or {"text": text})})


def _development_identity(options: argparse.Namespace) -> Identity:
    """A certificate for this machine, made now; its authority is made once and kept."""
    authority, place, made = the_authority()
    names = list(dict.fromkeys(["localhost", "127.0.0.1", "::1", *options.name]))
    identity = authority.identity(*names, days=LEAF_DAYS)
    terminal = terminal_of(options)
    pem = place / "ca.pem"
    if options.json:
        facts = {"authority": str(pem), "made": made, "names": names}
        terminal.line(line_of(options, "", "certificate", facts))
        return identity
    if made:
        terminal.line(f"made a development authority: {pem}")
    terminal.line(f"certificate for {', '.join(names)} by the authority in {pem}")
    # All of it once; afterwards the line that the next client is started with.
    for line in trust_lines(pem) if made else trust_lines(pem)[:1]:
        terminal.line("  " + line)
    return identity


def run(options: argparse.Namespace) -> int:
    """Runs the server until SIGINT or SIGTERM."""
    try:
        return serve(options)
    except OSError as error:
        if error.errno != errno.EADDRNOTAVAIL:
            raise
        text = f"{options.host} is no address of this machine"
        raise Failure(text, hint="127.0.0.1 is, and 0.0.0.0 all of them.", code=USAGE) from error


def serve(options: argparse.Namespace) -> int:
    """As :func:`run`; an address that is not this machine's is an OSError."""
    if sum(map(bool, (options.echo, options.directory, options.proxy))) > 1:
        raise Failure("one of a directory, --echo and --proxy, not more", code=USAGE)
    backend = _backend(options.proxy) if options.proxy else None
    if not 0 <= options.port <= 65_535:
        raise Failure("--port is 0 to 65535", code=USAGE)
    root = None
    if options.directory:
        root = Path(options.directory)
        if not root.is_dir():
            raise Failure(f"{options.directory} is not a directory", code=USAGE)
        root = root.resolve()
    make_budget(options)
    if options.cert == ["auto"]:
        alternative_names(options.name or ["localhost"], client=False)
    if options.workers != 1:
        check_count(options.workers)  # before anything is made
    config = make_config(options)
    if options.workers == 1:
        return run_async(lambda: Service(root, backend, config, options).run())

    def work(place: Place) -> int:
        own = config.replace(ticket_keys=place.ticket_keys)
        return run_async(lambda: Service(root, backend, own, options, place).run())

    terminal = terminal_of(options)

    def say(text: str) -> None:
        terminal.line(line_of(options, text, "worker", {}))
        terminal.flush()

    def announce(addresses: list[tuple[Any, ...]]) -> None:
        service = Service(root, backend, config, options)
        service.announce(addresses, f"by {options.workers} workers ")

    return Workers(options.workers, options.host, options.port, work, say).run(announce)


def _backend(text: str) -> tuple[str, int]:
    host, port = split_target(text, 0)
    if not port:
        raise Failure("--proxy needs HOST:PORT", code=USAGE)
    return host, port


class Current:
    """The configuration as it is now: a new connection takes it, an old one keeps its own."""

    def __init__(self, config: ServerConfig) -> None:
        self.config = config

    def _aiotls_config(self, server_side: bool) -> ServerConfig:
        return self.config


class Service:
    """One server and its clients."""

    def __init__(
        self,
        root: Path | None,
        backend: tuple[str, int] | None,
        config: ServerConfig,
        options: argparse.Namespace,
        place: Place | None = None,
    ) -> None:
        self._root = root
        self._backend = backend
        self._current = Current(config)
        self._options = options
        self._place = place
        self._budget = make_budget(options)
        self._terminal = terminal_of(options)
        self._servers: list[asyncio.Server] = []
        self._clients: set[asyncio.Task[Any]] = set()
        self._broken = False
        self._stop = asyncio.Event()

    async def run(self) -> int:
        """Listens, serves, and ends in order."""
        handler = _LogLines(self._say)
        logger = logging.getLogger("aiotls")
        logger.addHandler(handler)
        propagate, logger.propagate = logger.propagate, False
        try:
            async with contextlib.AsyncExitStack() as stack:
                for where in self._places():
                    server = await start_server(
                        self._serve,
                        ssl=self._current,
                        limit=http.MAX_HEAD,
                        ssl_handshake_timeout=http.IDLE,
                        handshake_budget=self._budget,
                        **where,
                    )
                    self._servers.append(await stack.enter_async_context(server))
                await self._until_stopped()
                for server in self._servers:
                    server.close()
                await self._let_finish()
        finally:
            logger.removeHandler(handler)
            logger.propagate = propagate
        if self._broken:
            raise BrokenPipeError
        return OK

    def _places(self) -> list[dict[str, Any]]:
        """Where to listen: as the options say, or on the sockets of a worker."""
        if self._place is None:
            return [{"host": self._options.host, "port": self._options.port}]
        return [{"sock": sock} for sock in self._place.sockets()]

    def _serving(self) -> None:
        """Says so, once signals are heard as well: to who reads, or to the parent."""
        if self._place is not None:
            self._place.attend(self._stop.set)
            return
        self.announce([s.getsockname() for server in self._servers for s in server.sockets])

    def announce(self, addresses: list[tuple[Any, ...]], by: str = "") -> None:
        """One line for each address that is listened on."""
        what = f"{self._root} over https" if self._root is not None else "an echo"
        if self._backend is not None:
            what = f"what {self._options.proxy} says"
        for host, port, *_ in addresses:
            shown = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
            url = f"  https://{self._url_host(host)}:{port}/" if self._root is not None else ""
            facts = {"host": host, "port": port, "what": what, "url": url.strip() or None}
            self._say(f"serving {what} on {shown}{url}  {by}(Ctrl-C ends it)", "listening", **facts)

    def _url_host(self, host: str) -> str:
        """A name from the certificate that a browser on this machine may find."""
        names: set[str] = {str(n) for i in self._current.config.identities for n in i.names}
        if "localhost" in names or not names:
            return "localhost"
        return host if host in names else min(names)

    def _say(self, text: str, event: str = "log", **facts: Any) -> None:
        if self._broken:
            return
        if self._place is not None and self._options.json:
            facts = {**(facts or {"text": text}), "worker": self._place.number}
        elif self._place is not None:
            text = f"[{self._place.number}] {text}"
        try:
            self._terminal.line(line_of(self._options, text, event, facts))
            self._terminal.flush()
        except BrokenPipeError:
            self._broken = True
            self._stop.set()

    def _reload(self) -> None:
        """SIGHUP: reads the files again. What is wrong with them costs a line, not the server."""
        before = self._current.config
        try:
            config = make_config(self._options)
        except (TLSError, Failure, OSError) as error:
            self._say(f"not reloaded: {clean(str(error))}", "not_reloaded", error=str(error))
            return
        # Tickets that were given out stay good.
        self._current.config = config.replace(ticket_keys=before.ticket_keys)
        self._say("certificates reloaded; connections go on with what they have", "reloaded")

    async def _until_stopped(self) -> None:
        loop = asyncio.get_running_loop()
        handlers = {signal.SIGINT: self._stop.set, signal.SIGTERM: self._stop.set}
        if hasattr(signal, "SIGHUP"):
            handlers[signal.SIGHUP] = self._reload
        for number, handler in handlers.items():
            try:
                loop.add_signal_handler(number, handler)
            except (NotImplementedError, RuntimeError, ValueError):
                pass  # Windows, or not the main thread: Ctrl-C still raises
        try:
            self._serving()
            await self._stop.wait()
        finally:
            if self._place is not None:
                self._place.leave()
            for number in handlers:
                try:
                    loop.remove_signal_handler(number)
                except (NotImplementedError, RuntimeError, ValueError):
                    pass

    async def _let_finish(self) -> None:
        if self._clients:
            _, late = await asyncio.wait(self._clients, timeout=0.1)
            for task in late:
                task.cancel()
            if late:
                await asyncio.wait(late, timeout=GRACE)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        if task is not None:
            self._clients.add(task)
            task.add_done_callback(self._clients.discard)
        peer = _label(writer.get_extra_info("peername"))
        told = writer.get_extra_info("tls") or {}
        if not self._options.quiet:
            facts = {key: told.get(key) for key in _AGREED}
            self._say(f"{peer} {_agreed(told)}", "connection", client=peer, **facts)

        def log(line: str) -> None:
            if not self._options.quiet:
                self._say(f"{peer} {clean(line)}", "client", client=peer, said=line)

        try:
            if self._root is not None:
                await http.serve_client(self._root, reader, writer, log)
            elif self._backend is not None:
                await _proxy(self._backend, reader, writer)
            else:
                await _echo(reader, writer)
        except OSError as error:
            log(f"ended: {error}")
        except asyncio.CancelledError:
            pass  # the server ends
        finally:
            writer.close()
            try:
                await writer.wait_closed()
            except (OSError, asyncio.CancelledError):
                pass


async def _echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while data := await reader.read(CHUNK):
        writer.write(data)
        await writer.drain()


async def _proxy(
    backend: tuple[str, int], reader: asyncio.StreamReader, writer: asyncio.StreamWriter
) -> None:
    """Carries bytes to the backend and back; the end of each direction is carried as well."""
    try:
        async with asyncio.timeout(BACKEND_TIMEOUT):
            behind_reader, behind_writer = await asyncio.open_connection(*backend)
    except (OSError, TimeoutError) as error:
        writer.transport.abort()  # a close_notify would say that this was all there is
        why = str(error) or f"no answer in {BACKEND_TIMEOUT:g} s"
        raise ConnectionError(f"the backend cannot be reached: {why}") from error
    try:
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(_carry(reader, behind_writer))
            tasks.create_task(_carry(behind_reader, writer))
    except ExceptionGroup as group:  # what except* raises would be another group
        if group.split(OSError)[1] is not None:
            raise
        # What one side has cut off must not look complete to the other: to the client no
        # close_notify, to the backend a RST and no FIN.
        writer.transport.abort()
        sock = behind_writer.get_extra_info("socket")
        with contextlib.suppress(OSError):  # it is closed where the backend has cut it
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
        behind_writer.transport.abort()
        raise ConnectionError(str(group.exceptions[0])) from None
    finally:
        behind_writer.close()


async def _carry(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while data := await reader.read(CHUNK):
        writer.write(data)
        await writer.drain()
    if writer.can_write_eof():
        writer.write_eof()
    else:
        writer.close()


_AGREED = ("version", "cipher_suite", "group", "alpn", "server_name")


def _agreed(told: dict[str, Any]) -> str:
    words = [str(told.get("version")), str(told.get("cipher_suite"))]
    for key in _AGREED[2:]:
        if told.get(key):
            words.append(clean(str(told[key])))
    return " ".join(words)


def _label(peername: Any) -> str:
    if isinstance(peername, tuple) and len(peername) >= 2:
        host, port = peername[:2]
        return f"[{host}]:{port}" if ":" in str(host) else f"{host}:{port}"
    return "client"


class _LogLines(logging.Handler):
    """The package's log, one line each, into the server's own output."""

    def __init__(self, say: Callable[[str], None]) -> None:
        super().__init__(logging.INFO)
        self._write = say

    def emit(self, record: logging.LogRecord) -> None:
        try:
            self._write(clean(record.getMessage()))
        except Exception:
            self.handleError(record)
