"""``aiotls trace``: a handshake with a server, drawn: in the terminal, as a page, as a capture."""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import sys
import time
from typing import Any

from ..config import ClientConfig
from ..connection import TLSConnection
from ..crypto.groups import KeyExchange
from ..crypto.primitives import Primitives
from ..errors import TLSError
from ..stream_handshake import do_handshake
from ..trace import Recorder, waterfall_lines
from ..trace.page import render_page
from ..trace.pcapng import Endpoint, write_pcapng
from ..trace.text import clean, milliseconds, size
from . import report, starttls
from .connect import (
    Target,
    add_target,
    check_seconds,
    deadline,
    make_config,
    parse_target,
    what_insecure_skipped,
)
from .main import FAILED, OK, UNVERIFIED, USAGE, Failure, explain, run_async
from .terminal import Terminal

JUDGING = 2.0
"""Seconds that a server may take to refuse a client's certificate."""


def register(commands: Any) -> None:
    """Declares the command's arguments."""
    command = commands.add_parser(
        "trace",
        help="a handshake drawn: in the terminal, as a web page, as a capture for Wireshark",
        description="Shakes hands with a server and shows each message with its size, its time "
        "and what it says, and what the cryptography cost.",
    )
    add_target(command)
    command.add_argument(
        "--html", metavar="FILE", help="write a page with every message byte by byte"
    )
    command.add_argument(
        "--pcapng",
        metavar="FILE",
        help="write a capture that Wireshark opens decrypted; who has the file can read all",
    )
    command.add_argument(
        "--wait",
        type=float,
        default=0.3,
        metavar="SECONDS",
        help="for what comes after the handshake, such as tickets (default: %(default)s)",
    )
    command.add_argument("--json", action="store_true", help="as JSON")
    command.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Runs the command."""
    target = parse_target(options)
    check_seconds("--wait", options.wait)
    config = make_config(options)
    _check_outputs(options.html, options.pcapng)
    return run_async(lambda: trace(target, config, options))


class Costs(Primitives):
    """The real primitives, with the time that they take."""

    __slots__ = ("spent",)

    def __init__(self) -> None:
        self.spent: dict[str, float] = {}

    def _add(self, what: str, started: float) -> None:
        self.spent[what] = self.spent.get(what, 0.0) + time.perf_counter() - started

    def generate(self, group: int) -> KeyExchange:
        started = time.perf_counter()
        made = super().generate(group)
        self._add("key generation", started)
        return made

    def sign(self, private_key: Any, scheme: int, data: bytes) -> bytes:
        started = time.perf_counter()
        signature = super().sign(private_key, scheme, data)
        self._add("signing", started)
        return signature


class Tapped:
    """A plaintext stream for :func:`.do_handshake`, with a recorder on the line."""

    def __init__(self, plain: starttls.Plaintext, recorder: Recorder) -> None:
        self._plain = plain
        self._recorder = recorder

    async def receive(self) -> bytes:
        """What has arrived; b"" at the end."""
        data = await self._plain.receive()
        if data:
            self._recorder.wire(False, data)
        return data

    async def send(self, data: bytes) -> None:
        """Sends *data*."""
        self._recorder.wire(True, data)
        self._plain.send(data)


async def trace(target: Target, config: ClientConfig, options: argparse.Namespace) -> int:
    """One handshake, and all that was asked for of it."""
    loop = asyncio.get_running_loop()
    costs = Costs()
    recorder = Recorder()
    key_log = config.key_log

    def log(line: str) -> None:
        recorder.secret(line)
        if key_log is not None:
            key_log(line)

    config = config.replace(observer=recorder, key_log=log, primitives=costs)
    async with deadline(target):
        transport, plain = await loop.create_connection(
            starttls.Plaintext, target.host, target.port
        )
    recorder.mark("TCP connected")
    ends = _endpoint(transport, "sockname"), _endpoint(transport, "peername")
    connection = TLSConnection(config, target.name)
    failure: Failure | None = None
    cpu = time.thread_time()
    try:
        async with deadline(target):
            if target.starttls is not None:
                await starttls.upgrade(target.starttls, plain, target.name)
                recorder.mark(f"{target.starttls} is ready for TLS")
            stream = Tapped(plain, recorder)
            await do_handshake(connection, stream)
            recorder.mark("application data may flow")
        cpu = time.thread_time() - cpu
        await _listen(connection, stream, options.wait, recorder)
    except (TLSError, Failure, OSError) as error:
        failure = explain(error)
        recorder.fail(failure.message)
        if failure.hint:
            recorder.failure = f"{failure.message}. {failure.hint}"
    finally:
        transport.close()
    outcome = _Outcome(target, recorder, costs, cpu, connection, config, failure)
    outcome.save(options.html, options.pcapng, *ends)
    if options.json:
        print(json.dumps(outcome.json(), indent=2))
    else:
        outcome.show(Terminal.of(sys.stdout))
        for what, path in (("page", options.html), ("capture", options.pcapng)):
            if path:
                print(f"  {what} written to {path}")
    return outcome.code


class _Outcome:
    """What is known when it is over."""

    def __init__(
        self,
        target: Target,
        recorder: Recorder,
        costs: Costs,
        cpu: float,
        connection: TLSConnection,
        config: ClientConfig,
        failure: Failure | None,
    ) -> None:
        self._target = target
        self._recorder = recorder
        self._failure = failure
        self._reason: str | None = None
        self._told: dict[str, Any] = {}
        self._costs = dict(costs.spent)
        if connection.handshake_complete:
            self._told = report.facts(connection)
            self._costs["all of the handshake on this side"] = cpu
            if config.dangerous_disable_verification:
                self._reason = what_insecure_skipped(connection, target, config)

    @property
    def code(self) -> int:
        """The exit code."""
        if self._failure is not None:
            return self._failure.code or FAILED
        return OK if self._reason is None else UNVERIFIED

    def verdict(self, terminal: Terminal) -> str:
        """The first line."""
        if self._failure is not None:
            word = "NOT VERIFIED: " if self._failure.code == UNVERIFIED else "FAILED: "
            text = clean(self._failure.message.removeprefix("NOT VERIFIED: "))
            return terminal.paint(word, "red", "bold") + text
        return report.verdict(terminal, self._target.label, self._told, self._reason)

    def show(self, terminal: Terminal) -> None:
        """The waterfall, and what belongs to it."""
        terminal.line(self.verdict(terminal))
        if self._told:
            for line in report.fact_lines(self._told):
                terminal.line("    " + line)
        terminal.line()
        for line in waterfall_lines(
            self._recorder,
            width=terminal.width,
            unicode=terminal.unicode,
            paint=terminal.paint,
        ):
            terminal.line(line)
        terminal.line()
        terminal.line("  " + self._sums())
        if self._costs:
            terminal.line("  cost here: " + self._cost_words())
        terminal.flush()

    def _sums(self) -> str:
        recorder = self._recorder
        sent = sum(len(chunk.data) for chunk in recorder.chunks if chunk.sent)
        received = sum(len(chunk.data) for chunk in recorder.chunks if not chunk.sent)
        return f"on the wire: {size(sent)} sent, {size(received)} received, records included"

    def _cost_words(self) -> str:
        return ", ".join(f"{what} {milliseconds(spent)}" for what, spent in self._costs.items())

    def page(self) -> str:
        """The HTML page."""
        plain = Terminal(sys.stdout)
        facts = report.fact_lines(self._told) if self._told else []
        facts.append(self._sums())
        if self._costs:
            facts.append("cost here: " + self._cost_words())
        if self._failure is not None and self._failure.hint:
            facts.append(self._failure.hint)
        return render_page(
            self._recorder,
            title=f"TLS handshake with {self._target.label}, port {self._target.port}",
            verdict=self.verdict(plain),
            verified=self.code == OK,
            facts=facts,
        )

    def save(
        self, page: str | None, capture: str | None, local: Endpoint, remote: Endpoint
    ) -> None:
        """Writes the files that were asked for."""
        if capture:
            with open(capture, "wb", opener=_private) as file:
                write_pcapng(file, self._recorder, local=local, remote=remote)
        if page:
            with open(page, "w", encoding="utf-8") as text:
                text.write(self.page())

    def json(self) -> dict[str, Any]:
        """Everything as JSON has it."""
        recorder = self._recorder
        return self._told | {
            "ok": self.code == OK,
            "error": self._failure.message if self._failure is not None else None,
            "hint": self._failure.hint if self._failure is not None else None,
            "reason": self._reason,
            "messages": [
                {
                    "ms": event.at * 1000,
                    "from": "client" if event.sent else "server",
                    "message": event.name,
                    "bytes": event.size,
                    "encrypted": event.protected,
                }
                for event in recorder.events
            ],
            "marks": [{"ms": mark.at * 1000, "text": mark.text} for mark in recorder.marks],
            "cost_seconds": self._costs,
        }


async def _listen(
    connection: TLSConnection, stream: Tapped, seconds: float, recorder: Recorder
) -> None:
    """Takes what comes after the handshake, then says goodbye.

    A server that has asked for a client certificate is waited for longer, as what it thinks of the
    answer comes only now (TLS 1.3).
    """
    asked = any(event.name == "CertificateRequest" for event in recorder.events)
    loop = asyncio.get_running_loop()
    try:
        async with asyncio.timeout(max(seconds, JUDGING) if asked else seconds) as limit:
            while not connection.peer_closed:
                data = await stream.receive()
                if not data:
                    return
                connection.receive_data(data)
                limit.reschedule(loop.time() + seconds)
    except TimeoutError:
        pass
    connection.send_close_notify()
    await stream.send(connection.data_to_send())


def _endpoint(transport: asyncio.BaseTransport, which: str) -> Endpoint:
    name = transport.get_extra_info(which)
    return str(name[0]), int(name[1])


def _check_outputs(page: str | None, capture: str | None) -> None:
    """Finds out before anything is sent, not after."""
    for option, path in (("--html", page), ("--pcapng", capture)):
        if path is None:
            continue
        if not path:
            raise Failure(f"{option} needs the name of a file", code=USAGE)
        directory = os.path.dirname(path) or "."
        if not os.path.isdir(directory):
            raise Failure(f"{directory}: there is no such directory", code=USAGE)
        if os.path.isdir(path):
            raise Failure(f"{path} is a directory", code=USAGE)
    if page is not None and capture is not None and _same(page, capture):
        raise Failure("--html and --pcapng are the same file", code=USAGE)


def _same(path: str, other: str) -> bool:
    return os.path.realpath(path) == os.path.realpath(other)


def _private(path: str, flags: int) -> int:
    """A capture holds the keys of the connection: for its owner's eyes only."""
    return os.open(path, flags, 0o600)
