"""Scripts of calls: what they are made of, how they are written, and how they are run.

A script is run with libssl on both sides, and then with aiotls on one side or on both; the traces
of the sides must be the same. Three rules make them comparable:

- of a run of the same WANT only the first counts;
- where a script cuts one side's output at its records, that side is libssl's in all runs: it puts
  each handshake message into a record of its own, and this engine a whole flight into one;
- numbers of bytes are compared outside of the handshake only;
- both sides use the same groups, suites and signature algorithms.
"""

from __future__ import annotations

import contextlib
import itertools
import random
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from .blocking import play
from .differences import ALLOWED, SMALL, Case, Difference, compared
from .world import (
    OURS,
    THEIRS,
    BlockingSockets,
    Memory,
    Pairs,
    Setup,
    Side,
    Sockets,
    Trace,
    Wire,
    first_record,
)

Op = tuple[Any, ...]
CLIENT, SERVER = 0, 1
NAMES = ("client", "server")


@dataclass(frozen=True)
class Script:
    """What is called, on what."""

    setup: Setup
    transport: str
    """``memory``, ``sockets``, ``blocking`` (sockets) or ``pair``."""

    size: int = 0
    """Of the pair's buffers."""

    cuts: str = ""
    """Whose output is cut at its records: ``""``, ``client`` or ``server``."""

    ops: tuple[Op, ...] = field(default=())

    def __str__(self) -> str:
        calls = "\n".join(f"    {op!r}," for op in self.ops)
        head = f"{self.setup!r}, {self.transport!r}, {self.size}, {self.cuts!r}"
        return f"Script(\n  {head}, (\n{calls}\n))"

    def combinations(self) -> list[tuple[Any, Any]]:
        """The implementations to compare with libssl on both sides."""
        if self.cuts == "server":
            return [(OURS, THEIRS)]
        if self.cuts == "client":
            return [(THEIRS, OURS)]
        return [(OURS, THEIRS), (THEIRS, OURS), (OURS, OURS)]


# -- running ---------------------------------------------------------------------------------------


class Run:
    """One script on two implementations."""

    def __init__(self, script: Script, client: Any, server: Any) -> None:
        self.script = script
        self.trace: tuple[Trace, Trace] = ([], [])
        self.session: Any = None
        if script.setup.resume:
            self.session = first_session(script.setup, client, server)
            self.trace[CLIENT].append(("first", self.session is not None))
        self.sides = (
            Side(client, False, script.setup, self.session),
            Side(server, True, script.setup),
        )
        self.wire: Wire
        if script.transport == "memory":
            self.wire = Memory(self.sides)
        elif script.transport == "pair":
            self.wire = Pairs(self.sides, script.size)
        elif script.transport == "blocking":
            self.wire = BlockingSockets(self.sides)
        else:
            self.wire = Sockets(self.sides)
        self.small = 0 < script.size < SMALL
        self.counter = 0
        self.buffers: list[bytes] = []
        """What was written: an address must not be used again."""

    def run(self) -> tuple[Trace, Trace]:
        """The traces of both sides."""
        try:
            if isinstance(self.wire, BlockingSockets):
                for trace, found in zip(
                    self.trace, play(self.sides, self.wire, self.script.ops), strict=True
                ):
                    trace.extend(found)
                return self.trace
            for op in self.script.ops:
                getattr(self, "op_" + op[0])(*op[1:])
            for who, side in enumerate(self.sides):
                self.trace[who].append(("notes", list(side.notes.seen)))
                self.trace[who].append(("agreed", *side.agreed()))
        finally:
            for side in self.sides:
                side.close()
            self.wire.close()
            if self.session is not None:
                self.sides[CLIENT].api.SSL_SESSION_free(self.session)
        return self.trace

    def call(self, who: int, name: str, *arguments: Any) -> Any:
        """One call, with an empty queue or with somebody else's error in it."""
        side = self.sides[who]
        side.api.ERR_clear_error()
        if side.stale:
            side.stale = False
            side.api.ERR_raise(20, 271)
        return getattr(side.api, name)(side.ssl, *arguments)

    def note(self, who: int, name: str, ret: Any, *more: Any) -> tuple[Any, ...]:
        seen = self.sides[who].observe(ret)
        if seen[4] == "SSLERR":
            # SSL_pending() is then the length of a record of the handshake's, which varies.
            seen = (*seen[:8], bool(seen[8]), *seen[9:])
        self.trace[who].append((name, *seen, *more))
        return seen

    # -- calls -----------------------------------------------------------------------------

    def op_role(self, who: int) -> None:
        """SSL_set_connect_state or SSL_set_accept_state."""
        name = "SSL_set_accept_state" if self.sides[who].server else "SSL_set_connect_state"
        self.call(who, name)
        self.note(who, "role", 1)

    def op_call(self, who: int, name: str) -> None:
        """A call without arguments: SSL_do_handshake, SSL_shutdown, SSL_clear, …."""
        if name == LATER and self.sides[who].unfinished:
            return  # libssl takes the record that is still to be written for the request
        if name == "SSL_clear":
            # What the rest of a record would be taken for depends on chance.
            if self.small or self.wire.broken(1 - who):
                return
            self.wire.drain(who)
        self.note(who, name, self.call(who, name))

    def op_read(self, who: int, size: int, name: str = "SSL_read") -> None:
        buffer = bytearray(max(size, 1))
        ret = self.call(who, name, buffer, size)
        got = ret[1] if isinstance(ret, tuple) else ret
        self.note(who, name, ret, bytes(buffer[: max(got, 0)]))

    def op_write(self, who: int, size: int, name: str = "SSL_write") -> None:
        """A write of fresh data."""
        self.counter += 1
        data = bytes([self.counter % 251]) * size
        self.sides[who].last_write = (data, size)
        self.buffers.append(data)
        ret = self.call(who, name, data, size)
        self.sides[who].unfinished = ret[0] <= 0 if isinstance(ret, tuple) else ret <= 0
        self.note(who, name, ret)

    def op_rewrite(self, who: int, change: str) -> None:
        """The last write once more: the same, or changed."""
        last = self.sides[who].last_write
        if last is None:
            return
        data, size = last
        if change == "moved":
            data = bytes(bytearray(data))
            self.buffers.append(data)
        elif change == "longer":
            data, size = bytes(bytearray(data)) + b"+", size + 1
            self.buffers.append(data)
        elif change == "shorter" and size > 0:
            size -= 1
        ret = self.call(who, "SSL_write", data, size)
        self.sides[who].unfinished = ret <= 0
        self.note(who, "rewrite " + change, ret)

    def op_key_update(self, who: int, kind: int) -> None:
        self.note(who, "key_update", self.call(who, "SSL_key_update", kind))

    def op_mode(self, who: int, mode: int, on: bool) -> None:
        name = "SSL_set_mode" if on else "SSL_clear_mode"
        self.note(who, "mode", self.call(who, name, mode))

    def op_set_shutdown(self, who: int, mode: int) -> None:
        self.call(who, "SSL_set_shutdown", mode)
        self.note(who, "set_shutdown", 1)

    def op_stale(self, who: int) -> None:
        """An error of somebody else's is in the queue when the side is called next."""
        self.sides[who].stale = True

    def op_agreed(self, who: int) -> None:
        self.trace[who].append(("agreed", *self.sides[who].agreed()))

    def op_session(self, who: int) -> None:
        self.trace[who].append(("session", self.sides[who].session()))

    def op_write_early(self, who: int, size: int) -> None:
        """SSL_write_early_data with fresh data."""
        self.counter += 1
        data = bytes([self.counter % 251]) * size
        self.buffers.append(data)
        ret = self.call(who, "SSL_write_early_data", data, size)
        self.note(who, "write_early", ret)

    def op_read_early(self, who: int, size: int) -> None:
        buffer = bytearray(max(size, 1))
        ret = self.call(who, "SSL_read_early_data", buffer, size)
        self.note(who, "read_early", ret, bytes(buffer[: ret[1]]))

    # -- bytes -----------------------------------------------------------------------------

    def op_move(self, source: int, amount: Any) -> None:
        """Some of a side's output arrives: all, a number of records, or part of the first."""
        if self.wire.direct:
            return
        if amount == "all":
            self.wire.move(source, None)
        elif amount == "record":
            self.wire.move(source, self.wire.first(source))
        else:
            self.wire.move(source, min(amount, max(0, self.wire.first(source) - 1)))

    def op_end(self, source: int) -> None:
        self.wire.move(source, None)
        self.wire.end(source)

    def op_reset(self, source: int) -> None:
        if isinstance(self.wire, Sockets):
            self.wire.reset(source)

    def op_inject(self, target: int, data: bytes) -> None:
        if not self.small and not self.wire.broken(
            1 - target
        ):  # what would come of that depends on chance
            with contextlib.suppress(ConnectionError):
                self.wire.inject(target, data)

    def may_change(self, source: int) -> bool:
        """Whether the first record that waits is the same whoever has made it."""
        if not isinstance(self.wire, Memory) or self.small or self.wire.broken(source):
            return False
        done = all(side.api.SSL_is_init_finished(side.ssl) for side in self.sides)
        return done or self.script.cuts == NAMES[source]

    def op_corrupt(self, source: int, where: str) -> None:
        """Something about the first record that waits is changed."""
        if not self.may_change(source):
            return
        data = bytearray(self.wire.waiting(source))
        if len(data) < 6 or not isinstance(self.wire, Memory):
            return
        if where == "body":
            data[first_record(bytes(data)) - 1] ^= 1
        elif where == "type":
            data[0] = 99
        elif where == "version":
            data[1] = 9
        elif where == "length":
            data[3] = 0xFF
        self.wire.replace(source, bytes(data))

    def op_drop(self, source: int) -> None:
        """The first record that waits never arrives."""
        if self.may_change(source) and isinstance(self.wire, Memory):
            data = self.wire.waiting(source)
            self.wire.replace(source, data[first_record(data) :])

    def op_no_bio(self, who: int, which: str) -> None:
        side = self.sides[who]
        if which in ("rbio", "both"):
            side.api.SSL_set0_rbio(side.ssl, None)
        if which in ("wbio", "both"):
            side.api.SSL_set0_wbio(side.ssl, None)
        self.note(who, "no_bio", 1)

    def op_drive(self, rounds: int) -> None:
        """Both sides go on until they are done, or nothing moves any more.

        Of a run of the same WANT only the first is in the trace.
        """
        last: list[Any] = [None, None]
        idle = 0
        for _ in range(rounds):
            moved, waits = 0, False
            states = []
            for who in (CLIENT, SERVER):
                ret = self.call(who, "SSL_do_handshake")
                seen = self.sides[who].observe(ret)
                states.append(ret)
                if seen[4] == "SSLERR":
                    seen = (*seen[:8], bool(seen[8]), *seen[9:])
                key = (seen[0], seen[1], seen[2])
                if key != last[who]:
                    self.trace[who].append(("drive", *seen))
                last[who] = key
                waits = waits or seen[2] not in (1, 2, 3)
                moved += self.wire.move(who, None)
            idle = 0 if moved or waits else idle + 1
            if states == [1, 1] or idle > 8:
                break

    def op_settle(self) -> None:
        """What is under way after the handshake arrives: tickets, and nothing else."""
        for who in (CLIENT, SERVER):
            self.wire.move(1 - who, None)
        buffer = bytearray(8)
        for _ in range(4):
            if self.call(CLIENT, "SSL_read", buffer, 0) == 0:
                break
        self.sides[CLIENT].errors()


def first_session(setup: Setup, client: Any, server: Any) -> Any:
    """The session of a connection that is made and closed before; None where there is none."""
    sides = Side(client, False, setup), Side(server, True, setup)
    sides[CLIENT].api.SSL_set_connect_state(sides[CLIENT].ssl)
    sides[SERVER].api.SSL_set_accept_state(sides[SERVER].ssl)
    wire = Memory(sides)
    buffer = bytearray(1)
    try:
        for _ in range(12):
            for who, side in enumerate(sides):
                side.api.SSL_do_handshake(side.ssl)
                wire.move(who, None)
        api, ssl = sides[CLIENT].api, sides[CLIENT].ssl
        api.SSL_read(ssl, buffer, 0)
        session = api.SSL_get1_session(ssl) if api.SSL_is_init_finished(ssl) else None
        for side in sides:
            side.api.SSL_shutdown(side.ssl)
        if session and not api.SSL_SESSION_is_resumable(session):
            api.SSL_SESSION_free(session)
            session = None
        return session or None
    finally:
        for side in sides:
            side.close()
            side.api.ERR_clear_error()
        wire.close()


def traces(script: Script, client: Any, server: Any) -> tuple[Trace, Trace]:
    """What both sides saw."""
    return Run(script, client, server).run()


def check(script: Script, allowed: Sequence[Difference] = ALLOWED) -> None:
    """Raises AssertionError where a trace differs from libssl's, but for what is *allowed*."""
    reference = traces(script, THEIRS, THEIRS)
    for client, server in script.combinations():
        found = traces(script, client, server)
        for who, peer in ((CLIENT, server), (SERVER, client)):
            case = Case(script.setup, script.size, script.ops, who, peer is OURS)
            expected, seen = compared(case, reference[who], found[who], allowed)
            if expected != seen:
                raise AssertionError(difference(script, (client, server), who, expected, seen))


def difference(script: Script, apis: Any, who: int, expected: Trace, found: Trace) -> str:
    """Where two traces part, for people."""
    names = " and ".join("aiotls" if api is OURS else "libssl" for api in apis)
    lines = [f"{script}", f"client and server on {names}: the {NAMES[who]} differs"]
    for number, (one, other) in enumerate(itertools.zip_longest(expected, found)):
        if one == other:
            lines.append(f"    {number} {str(one)[:400]}")
            continue
        if one and other and one[0] == other[0] == "notes":
            one, other = first_difference(one[1], other[1])
        lines.append(f">>> {number} libssl {str(one)[:400]}")
        lines.append(f">>> {number} aiotls {str(other)[:400]}")
        break
    return "\n".join(lines)


def first_difference(one: Trace, other: Trace) -> tuple[Any, Any]:
    """The place where two lists of notes part, and what stands before it."""
    for number, (a, b) in enumerate(itertools.zip_longest(one, other)):
        if a != b:
            start = max(0, number - 2)
            return one[start : number + 3], other[start : number + 3]
    return None, None


# -- writing ---------------------------------------------------------------------------------------

HANDSHAKE = ("SSL_do_handshake", "SSL_do_handshake", "SSL_connect_or_accept")
LATER = "SSL_verify_client_post_handshake"
GARBAGE = (
    b"GET / HTTP/1.0\r\n\r\n",
    b"POST / HTTP/1.0\r\n",
    b"CONNECT example.com:443 HTTP/1.0\r\n",
    b"SSH-2.0-OpenSSH_9.2\r\n",
    b"\x00" * 20,
    b"\x16\x03\x01\xff\xff" + b"x" * 40,
    b"\x63\x03\x03\x00\x02ab",
    b"\x15\x03\x03\x00\x02\x02\x28",
    b"\x15\x03\x03\x00\x02\x02\x46",
    b"\x15\x03\x03\x00\x02\x01\x00",
    b"\x17\x03\x03\x00\x20" + b"\xaa" * 32,
)


SERVER_CALLBACKS = ("cert", "cert-fails", "hello", "hello-fails", "name", "name-fails")


class Writer:
    """Writes scripts, out of what chance says."""

    def __init__(self, chance: random.Random) -> None:
        self.random = chance

    def chance(self, probability: float) -> bool:
        return self.random.random() < probability

    def pick(self, *choices: Any) -> Any:
        return self.random.choice(choices)

    def setup(self) -> Setup:
        tls12 = self.chance(0.35)
        options: dict[str, Any] = {
            "tls12": tls12,
            "tickets": self.pick(0, 1, 2, 2),
            "alpn": self.pick("", "", "", "agree", "noack", "refuse", "none"),
            "partial": self.chance(0.3),
            "moving": self.chance(0.3),
            "auto_retry": self.chance(0.85),
            "info": self.chance(0.3),
            "quiet": self.chance(0.04),
            "ignore_eof": self.chance(0.05),
            "retry": not tls12 and self.chance(0.15),
        }
        if self.chance(0.25):
            options["client_auth"] = self.pick("optional", "required")
            options["client_certificate"] = self.chance(0.7)
        if self.chance(0.4):
            options["verify"] = self.pick("root", "root", "root", "none")
            if self.chance(0.5):
                options["host"] = self.pick("localhost", "localhost", "other.example", "127.0.0.1")
        if self.chance(0.35):
            options["times"] = self.pick(0, 1, 2, 3)
            options["callback"] = self.pick(
                "cert",
                "cert-fails",
                "client-cert",
                "client-cert-fails",
                "hello",
                "hello-fails",
                "name",
                "name-fails",
                "verify",
                "verify-fails",
                "ask",
                "ask-refuses",
                "ask-allows",
            )
        if self.chance(0.04):
            options["disjoint"] = self.pick("version", "suite", "group")
        if self.chance(0.02):
            options["server_certificate"] = False
        return Setup(**options)

    def script(self) -> Script:
        """The next script."""
        setup = self.setup()
        transport = self.pick("memory", "memory", "memory", "pair", "sockets")
        size = 0
        if transport == "pair":
            size = self.pick(1, 40, 100, 17 * 1024, 40_000, 40_000)
        cuts = self.pick("", "", "client", "server") if transport == "memory" else ""
        if (
            0 < size < 4096
        ):  # how many calls there are, and when, depends on the lengths of messages
            setup = replace(setup, info=False, tickets=0)
        ops = [("role", CLIENT), ("role", SERVER)]
        if self.chance(0.1):
            ops = self.odd_roles()
        if self.chance(0.6) and size != 1:
            ops += self.handshake(cuts)
        if self.chance(0.9):
            ops.append(("drive", 4000 if 0 < size < 200 else 20))
        ops += self.data(cuts, size)
        ops += self.closing(cuts)
        setup, ops = self.again(setup, size, ops)
        if self.chance(0.08):
            return self.blocking(setup)
        return Script(setup, transport, size, cuts, tuple(ops))

    def again(self, setup: Setup, size: int, ops: list[Op]) -> tuple[Setup, list[Op]]:
        """Perhaps a session from before, early data in it, and the message callback."""
        if 0 < size < SMALL:
            return setup, ops
        # Of a hello that is no answer to a HelloRetryRequest more than one thing is wrong.
        starts_anew = setup.retry and ("call", CLIENT, "SSL_clear") in ops
        if self.chance(0.2) and not starts_anew:
            setup = replace(setup, resume=True)
            for _ in range(self.random.randrange(3)):
                ops.insert(self.random.randrange(2, len(ops) + 1), ("session", CLIENT))
        if self.chance(0.15):
            setup = replace(setup, messages=True)
        if self.chance(0.06) or (setup.client_auth and self.chance(0.3)):
            setup = replace(setup, later=self.chance(0.9))
            for _ in range(self.random.randrange(1, 4)):
                place = self.random.randrange(2, len(ops) + 1)
                ops.insert(place, ("call", self.pick(*[SERVER] * 9, CLIENT), LATER))
        return setup, ops

    def blocking(self, setup: Setup) -> Script:
        """A dialogue over blocking sockets: whatever one side sends, the other reads."""
        setup = replace(setup, quiet=False, partial=False, auto_retry=True)
        ops: list[Op] = [("role", CLIENT), ("role", SERVER)]
        if self.chance(0.5):
            ops += [("shake", CLIENT, "SSL_do_handshake"), ("shake", SERVER, "SSL_do_handshake")]
        else:
            ops += [("shake", CLIENT, "SSL_connect"), ("shake", SERVER, "SSL_accept")]
        for _ in range(self.random.randrange(6)):
            who, size = self.side(), self.pick(1, 10, 1000, 16_384, 16_385, 40_000)
            if not setup.tls12 and self.chance(0.2):
                ops.append(("update", who, self.pick(0, 1)))
            ops += [("send", who, size), ("receive", 1 - who, size)]
        if self.chance(0.7):
            ops += [("close", CLIENT), ("close", SERVER)]
        else:
            who = self.side()
            ops += [("leave", who), ("receive", 1 - who, 1)]
        return Script(setup, "blocking", ops=tuple(ops))

    def odd_roles(self) -> list[Op]:
        ops: list[Op] = [("call", self.side(), "SSL_do_handshake")]
        if self.chance(0.5):
            ops.append(("call", self.side(), "SSL_shutdown"))
        if self.chance(0.5):
            ops.append(("read", self.side(), 10))
        if self.chance(0.5):
            ops.append(("write", self.side(), 10))
        if self.chance(0.5):
            ops += [("role", CLIENT), ("call", CLIENT, "SSL_connect"), ("role", SERVER)]
        else:
            ops += [("call", CLIENT, "SSL_connect"), ("call", SERVER, "SSL_accept")]
        return ops

    def side(self) -> int:
        return self.random.randrange(2)

    def amount(self, source: int, cuts: str) -> Any:
        if cuts == NAMES[source]:
            return self.pick("all", "record", "record", 1, 3, 5, 6, 20)
        return self.pick("all", "all", "all", 1, 4, 5, 30)

    def handshake(self, cuts: str) -> list[Op]:
        """Some steps of a handshake, in any order, with calls that do not belong there."""
        ops: list[Op] = []
        for _ in range(self.random.randrange(1, 14)):
            who = self.side()
            roll = self.random.random()
            if roll < 0.45:
                ops.append(
                    ("call", who, self.pick("SSL_do_handshake", ("SSL_connect", "SSL_accept")[who]))
                )
            elif roll < 0.85:
                ops.append(("move", who, self.amount(who, cuts)))
            else:
                ops.append(self.odd(who))
        return ops

    def odd(self, who: int) -> Op:
        op: Op = self.pick(
            ("read", who, 100),
            ("read", who, 0),
            ("write", who, 50),
            ("write", who, 0),
            ("call", who, "SSL_shutdown"),
            ("call", who, "SSL_shutdown"),
            ("key_update", who, 0),
            ("key_update", who, 7),
            ("stale", who),
            ("end", who),
            ("reset", who),
            ("inject", who, self.pick(*GARBAGE)),
            ("no_bio", who, self.pick("rbio", "wbio", "both")),
            ("set_shutdown", who, self.pick(0, 1, 2, 3)),
            ("agreed", who),
            ("call", who, "SSL_clear"),
            ("rewrite", who, "same"),
            ("read", who, -1),
            ("write", who, -1),
        )
        return op

    def data(self, cuts: str, size: int) -> list[Op]:
        """Reading and writing."""
        ops: list[Op] = []
        if self.chance(0.3):
            ops += [("settle",)]
        for _ in range(self.random.randrange(0, 16)):
            who = self.side()
            roll = self.random.random()
            length = self.pick(0, 1, 5, 100, 100, 1000, 16_384, 16_385, 40_000)
            if roll < 0.28:
                name = self.pick("SSL_write", "SSL_write", "SSL_write_ex")
                ops.append(("write", who, length, name))
            elif roll < 0.55:
                name = self.pick("SSL_read", "SSL_read", "SSL_read_ex", "SSL_peek", "SSL_peek_ex")
                ops.append(("read", who, max(length, self.pick(0, 1)), name))
            elif roll < 0.78:
                ops.append(("move", who, self.amount(who, cuts)))
            elif roll < 0.84:
                ops.append(
                    ("rewrite", who, self.pick("same", "same", "moved", "longer", "shorter"))
                )
            elif roll < 0.9:
                ops.append(("key_update", who, self.pick(0, 1, 1)))
            elif roll < 0.93:
                ops.append(("mode", who, self.pick(1, 2, 3), self.chance(0.5)))
            elif roll < 0.95:
                ops.append(("call", who, "SSL_do_handshake"))
            elif roll < 0.97 and cuts == "":
                ops.append(("corrupt", who, self.pick("body", "type", "version", "length")))
            elif roll < 0.975:
                ops.append(("drop", who))
            else:
                ops.append(self.odd(who))
        return ops

    def closing(self, cuts: str) -> list[Op]:
        """Shutting down."""
        ops: list[Op] = []
        for _ in range(self.random.randrange(0, 9)):
            who = self.side()
            roll = self.random.random()
            if roll < 0.5:
                ops.append(("call", who, "SSL_shutdown"))
            elif roll < 0.75:
                ops.append(("move", who, self.amount(who, cuts)))
            elif roll < 0.85:
                ops.append(("read", who, 100))
            elif roll < 0.9:
                ops.append(("write", who, 10))
            else:
                ops.append(self.odd(who))
        return ops


def script(seed: int) -> Script:
    """The script with a number."""
    return Writer(random.Random(seed)).script()
