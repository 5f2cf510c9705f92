"""Early data, call by call as with libssl: SSL_write_early_data(3), SSL_read_early_data(3).

A script's connection resumes a session; both sides are called in any order, and see the same
whichever implementation they and their peers run on.
"""

from __future__ import annotations

import os
import random
from dataclasses import dataclass
from typing import Any

import pytest

from . import libssl
from .test_serialization import shake
from .world import OURS, THEIRS, Memory, Setup, Side, Trace

CLIENT, SERVER = 0, 1
LIMIT = 5000
Op = tuple[Any, ...]


@dataclass(frozen=True)
class Script:
    """What is called on a connection that could carry early data."""

    setup: Setup
    ops: tuple[Op, ...]
    limit: int = LIMIT

    def __str__(self) -> str:
        calls = "\n".join(f"    {op!r}," for op in self.ops)
        return f"Script({self.setup!r}, (\n{calls}\n), {self.limit})"


class Run:
    """One script on two implementations."""

    def __init__(self, script: Script, client: Any, server: Any) -> None:
        for api in (OURS, THEIRS):
            ctx = Side(api, True, script.setup).ctx
            assert api.SSL_CTX_set_max_early_data(ctx, script.limit) == 1
        first = shake(client, server, script.setup)
        session = client.SSL_get1_session(first[CLIENT].ssl)
        self.sides = Side(client, False, script.setup), Side(server, True, script.setup)
        self.wire = Memory(self.sides)
        client.SSL_set_connect_state(self.sides[CLIENT].ssl)
        client.SSL_set_tlsext_host_name(self.sides[CLIENT].ssl, "localhost")
        server.SSL_set_accept_state(self.sides[SERVER].ssl)
        assert client.SSL_set_session(self.sides[CLIENT].ssl, session) == 1
        self.trace: tuple[Trace, Trace] = ([], [])
        self.buffers: list[bytes] = []
        try:
            for op in script.ops:
                getattr(self, op[0])(*op[1:])
            for who, side in enumerate(self.sides):
                self.trace[who].append(("notes", list(side.notes.seen)))
                self.trace[who].append(("agreed", *side.agreed()))
        finally:
            for side in (*first, *self.sides):
                side.close()
            self.wire.close()

    def note(self, who: int, name: str, ret: Any, *more: Any) -> None:
        side = self.sides[who]
        seen = side.observe(ret)
        if self.wire.broken(1 - who) or seen[4] == "SSLERR":
            seen = (*seen[:8], *seen[10:])
        status = side.api.SSL_get_early_data_status(side.ssl)
        self.trace[who].append((name, *seen, status, *more))

    def write(self, who: int, name: str, size: int) -> None:
        data = bytes([65 + len(self.buffers) % 26]) * size
        self.buffers.append(data)
        api, ssl = self.sides[who].api, self.sides[who].ssl
        if name == "SSL_write_early_data" and who == CLIENT and self.between(api, ssl):
            return  # once the server's flight is here, libssl forgets to send EndOfEarlyData
        if who == SERVER and api.SSL_state_string(ssl) == "SSLERR":
            return  # libssl writes on, behind its fatal alert
        api.ERR_clear_error()
        self.note(who, name, getattr(api, name)(ssl, data, size))

    def between(self, api: Any, ssl: Any) -> bool:
        """Whether SSL_read() has gone on with the client's handshake, and it waits."""
        return bool(api.SSL_in_init(ssl)) and api.SSL_state_string(ssl) not in ("PINIT", "TWCH")

    def read(self, who: int, name: str, size: int) -> None:
        buffer = bytearray(max(size, 1))
        api, ssl = self.sides[who].api, self.sides[who].ssl
        api.ERR_clear_error()
        self.note(who, name, getattr(api, name)(ssl, buffer, size), bytes(buffer))

    def call(self, who: int, name: str) -> None:
        api, ssl = self.sides[who].api, self.sides[who].ssl
        api.ERR_clear_error()
        self.note(who, name, getattr(api, name)(ssl))

    def move(self, source: int, amount: int | None) -> None:
        self.wire.move(source, amount)


class Writer:
    """Writes scripts."""

    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed)

    def pick(self, *choices: Any) -> Any:
        return self.random.choice(choices)

    def script(self) -> Script:
        chance = self.random.random
        setup = Setup(
            info=chance() < 0.5,
            tickets=self.pick(1, 2),
            auto_retry=True,
            moving=chance() < 0.3,
            partial=chance() < 0.2,
            alpn=self.pick("", "", "agree"),
        )
        ops: list[Op] = []
        for _ in range(self.random.randrange(3, 22)):
            ops.append(self.op())
        ops += [("move", CLIENT, None), ("move", SERVER, None)] * 2
        for who in (CLIENT, SERVER, CLIENT, SERVER):
            ops += [("call", who, "SSL_do_handshake"), ("move", who, None)]
        ops += [("read", who, "SSL_read", 100) for who in (SERVER, CLIENT)]
        return Script(setup, tuple(ops))

    def op(self) -> Op:
        roll = self.random.random()
        size = self.pick(0, 1, 5, 40, 300)
        if roll < 0.3:
            return "write", CLIENT, "SSL_write_early_data", size
        if roll < 0.5:
            return "read", SERVER, "SSL_read_early_data", max(1, size)
        if roll < 0.7:
            return "move", CLIENT, self.pick(None, None, None, 3, 60)
        if roll < 0.8:
            return "move", SERVER, None
        if roll < 0.84:
            return "write", SERVER, "SSL_write_early_data", max(1, size)
        who = self.pick(CLIENT, SERVER)
        choice: tuple[Any, ...] = self.pick(
            ("call", who, "SSL_do_handshake"),
            ("read", CLIENT, "SSL_read", max(1, size)),
            ("read", who, "SSL_read_early_data", 7),
            ("write", CLIENT, "SSL_write", max(1, size)),
            ("write", SERVER, "SSL_write", max(1, size)),
        )
        return choice


def check(script: Script) -> None:
    """Raises AssertionError where a side sees something else than with libssl."""
    reference = Run(script, THEIRS, THEIRS).trace
    for client, server in ((OURS, THEIRS), (THEIRS, OURS), (OURS, OURS)):
        found = Run(script, client, server).trace
        for who, name in enumerate(("client", "server")):
            for one, other in zip(reference[who], found[who], strict=True):
                names = " and ".join(
                    "aiotls" if api is OURS else "libssl" for api in (client, server)
                )
                assert one == other, f"{script}\non {names} the {name} differs:\n{one}\n{other}"


@pytest.fixture(autouse=True)
def _reference() -> None:
    """The scripts ask for OpenSSL 3.0's answers; other versions have others."""
    if not libssl.VERSION.startswith(libssl.KNOWN):
        refuse = pytest.fail if os.environ.get("AIOTLS_REQUIRE_PEERS") else pytest.skip
        refuse(f"the system's libssl is {libssl.VERSION}, and the traces are {libssl.KNOWN}x's")


@pytest.mark.parametrize("first", range(0, 200, 50))
def test_early_data_leaves_the_same_trace(first: int) -> None:
    for seed in range(first, first + 50):
        check(Writer(seed).script())


@pytest.mark.slow
@pytest.mark.parametrize("first", range(200, 600, 50))
def test_more_early_data_leaves_the_same_trace(first: int) -> None:
    for seed in range(first, first + 50):
        check(Writer(seed).script())
