"""Two connections, a wire between them that may do anything, and what has to hold all the same.

The machine interleaves handshake steps, writes, reads, key updates, half-closes, aborts and ends
of the stream with a hostile wire that flips, drops, repeats, swaps and cuts bytes. After every
step, and once more when the wire has been drained:

- what is read is a prefix of what the other side wrote: in order, nothing twice, nothing foreign;
- a change to the bytes never passes: no two sides end without an error behind it;
- an error of this side's leaves as an alert, and the other side learns that very alert;
- a stream that ends without close_notify is reported;
- two sides that are both done believe the same things;
- a dead connection is silent, and nothing but the package's own errors comes out of it.
"""

from __future__ import annotations

import gc
import itertools
import weakref
from dataclasses import dataclass
from functools import cache
from typing import Any, Literal

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    rule,
    run_state_machine_as_test,
)

from aiotls import (
    ClientConfig,
    ECHKeys,
    ECHRejected,
    Identity,
    ServerConfig,
    TLSConnection,
    TLSError,
    UsageError,
)
from aiotls.config import ClientAuth, ExternalPsk
from aiotls.enums import Alert, ContentType, NamedGroup, ProtocolVersion, Want
from aiotls.errors import AlertReceived, ProtocolError, Truncated
from aiotls.handshake.auth import Peer
from aiotls.sessions import MemoryReplayGuard, MemorySessionCache
from tests import certificates
from tests.engine.pair import connect

CLIENT, SERVER = 0, 1
AGREED = (
    "version",
    "suite",
    "group",
    "alpn",
    "server_name",
    "psk_identity",
    "extended_master_secret",
    "resumed",
    "retried",
    "ech",
    "early_data",
)
"""What both sides of a connection have to be of one mind about."""

SIZES = st.sampled_from([0, 1, 2, 100, 1000, 16384, 16385, 40000])
alive: weakref.WeakSet[TLSConnection] = weakref.WeakSet()


PUBLIC = "front.example"
KEY = ExternalPsk(b"device 17", bytes(range(32)))


@dataclass(frozen=True)
class Kind:
    """What two sides are to agree on; some of it only together, see :func:`kinds`."""

    tls12: bool = False
    retry: bool = False
    """Whether the client has to try again with another group."""

    client_auth: bool = False
    late_auth: bool = False
    """Whether the server may ask for the client's certificate after the handshake."""

    session: bool = False
    """Whether there is one to be resumed, of an earlier handshake of the same kind."""

    early: bool = False
    half_rtt: bool = False
    psk: bool = False
    """Whether both have a key from elsewhere."""

    ech: Literal["", "accepted", "rejected", "grease"] = ""
    raw_keys: bool = False
    small: bool = False
    """Whether records are small, each side's in its own way."""


@st.composite
def kinds(draw: st.DrawFn) -> Kind:
    """A kind of connection in which nothing excludes anything else."""
    tls12 = draw(st.booleans()) and draw(st.booleans())
    flag = st.booleans()
    client_auth = draw(flag)
    session = draw(flag)
    if tls12:
        return Kind(
            True,
            client_auth=client_auth,
            session=session,
            raw_keys=draw(flag) and not session,
            small=draw(flag),
        )
    return Kind(
        retry=draw(flag),
        client_auth=client_auth,
        late_auth=draw(flag),
        session=session,
        early=session and draw(flag),
        half_rtt=not client_auth and draw(flag),
        psk=draw(flag),
        ech=draw(st.sampled_from(["", "", "accepted", "rejected", "grease"])),
        raw_keys=draw(flag),
        small=draw(flag),
    )


@cache
def _ech_keys(number: int) -> ECHKeys:
    return ECHKeys.generate(PUBLIC)


def _configs(kind: Kind) -> tuple[ClientConfig, ServerConfig]:
    """The two sides for a first connection of this kind."""
    root = certificates.authority()
    leaf, public = certificates.leaf("localhost"), certificates.leaf(PUBLIC)
    guard = MemoryReplayGuard(clock=itertools.count(1.0, 1e9).__next__)
    groups = (NamedGroup.X25519, NamedGroup.SECP256R1)
    client = ClientConfig(
        trust=root.trust,
        groups=groups,
        key_shares=() if kind.tls12 else groups[:1],
        max_version=ProtocolVersion.TLSv1_2 if kind.tls12 else ProtocolVersion.TLSv1_3,
        identity=certificates.leaf("client").identity,
        post_handshake_auth=kind.late_auth,
        session_cache=None,
        psks=[KEY] if kind.psk else [],
        raw_public_keys=[leaf.identity.raw_public_key] if kind.raw_keys else [],
        ech=_ech_keys(0).config_list if kind.ech in ("accepted", "rejected") else None,
        grease_ech=kind.ech == "grease",
        alpn_protocols=["echo"],
        max_fragment=600 if kind.small else 1 << 14,
        record_padding=64 if kind.small else 0,
    )
    server = ServerConfig(
        identities=[leaf.identity, public.identity],
        groups=groups[1:] if kind.retry else groups,
        trust=root.trust,
        client_auth=ClientAuth.REQUIRED if kind.client_auth else ClientAuth.NONE,
        max_early_data=1 << 16,
        replay_guard=guard,
        half_rtt=kind.half_rtt,
        psk={KEY.identity: KEY}.get if kind.psk else None,
        show_raw_public_key=kind.raw_keys,
        ech_keys=_ech_keys(1 if kind.ech == "rejected" else 0) if kind.ech else None,
        alpn_protocols=["echo", "other"],
        record_size_limit=1000 if kind.small else None,
    )
    return client, server


class _Cache:
    """The same session again and again: each example resumes the one that was stored first."""

    def __init__(self, session: Any) -> None:
        self._session = session

    def put(self, key: bytes, session: Any) -> None:
        pass

    def take(self, key: bytes) -> Any:
        return self._session


@cache
def prepared(kind: Kind) -> tuple[ClientConfig, ServerConfig]:
    """The two sides, with a session to resume where there is to be one."""
    client, server = _configs(kind)
    if not kind.session:
        return client, server
    cache_ = MemorySessionCache()
    first = client.replace(session_cache=cache_, psks=(), ech=None)
    connect(first, server).check().pump()
    sessions = [session for kept in cache_._sessions.values() for session in kept]
    assert sessions, kind
    return client.replace(session_cache=_Cache(sessions[0])), server


def _records(stream: bytes) -> list[bytes]:
    """Whole records, and what is left of the last one."""
    records, start = [], 0
    while start < len(stream):
        end = start + 5 + int.from_bytes(stream[start + 3 : start + 5], "big")
        records.append(stream[start:end])
        start = end
    return records


def _normal(stream: bytes, tls13: bool) -> bytes:
    """The stream without what no peer has to look at, in the form of records.

    RFC 8446, section 5.1: legacy_record_version of plaintext MUST be ignored. Section 5 and
    appendix D.4: change_cipher_spec is dropped.
    """
    kept = []
    for record in _records(stream):
        if record[0] == ContentType.CHANGE_CIPHER_SPEC and tls13 and len(record) >= 6:
            continue
        if record[0] != ContentType.APPLICATION_DATA:
            record = record[:2] + b"\0" + record[3:]
        kept.append(record)
    return b"".join(kept)


class Connections(RuleBasedStateMachine):
    """See the head of this module. Index 0 is the client, 1 the server.

    No rule has a precondition: keys and signatures differ from run to run, in length too, and what
    hypothesis draws must not depend on them.
    """

    def __init__(self) -> None:
        super().__init__()
        self.ends: list[TLSConnection] = []
        self.written = [bytearray(), bytearray()]
        """By each side, in plaintext."""
        self.read = [bytearray(), bytearray()]
        self.sent = [bytearray(), bytearray()]
        """By each side, on its wire."""
        self.wire = [bytearray(), bytearray()]
        """What has left a side and not arrived."""
        self.taken = [bytearray(), bytearray()]
        """What has arrived from each side, as long as the other one was listening."""
        self.meddled = [False, False]
        self.aborted = [False, False]
        self.cut = [False, False]
        """Whether the stream from this side has ended."""
        self.fill = itertools.count(1)

    @initialize(kind=kinds())
    def start(self, kind: Kind) -> None:
        self.kind = kind
        client, server = prepared(kind)
        early = b"early data" * 30 if kind.early else b""
        self.tls13 = not kind.tls12
        self.ends = [
            TLSConnection(client, "localhost", early_data=early, replay=True),
            TLSConnection(server),
        ]
        self.written[CLIENT] += early
        alive.update(self.ends)

    # -- one side ------------------------------------------------------------------------------

    def _call(self, side: int, call: Any, *args: Any) -> Any:
        """A call that may fail with the package's own errors, which end the connection."""
        end = self.ends[side]
        before = end.error
        result = None
        try:
            result = call(*args)
        except UsageError:
            assert end.error is before, "a caller's mistake has killed a connection"
        except TLSError as error:
            assert before is None, "a second error"
            self._ended(side, error)
        self._do_chores(side)
        return result

    def _do_chores(self, side: int) -> None:
        """What the answer to a late request for a certificate takes; here no hook suspends."""
        end = self.ends[side]
        while end.chores:
            chore = end.chores.pop(0)
            before = end.error
            try:
                next(iter(chore.__await__()))
            except StopIteration:
                continue
            except TLSError as error:
                if before is None:
                    self._ended(side, error)
                continue
            raise AssertionError("a chore waits for something")

    def _ended(self, side: int, error: TLSError) -> None:
        end = self.ends[side]
        assert end.error is error
        assert error.reason != "INTERNAL_ERROR", repr(error.__cause__)
        output = end.data_to_send()
        if isinstance(error, ProtocolError):
            assert output or end.close_notify_sent, "an error without an alert"
        self._emit(side, output)

    def _emit(self, side: int, data: bytes | None) -> None:
        self.sent[side] += data or b""
        self.wire[side] += data or b""

    sides = st.sampled_from([CLIENT, SERVER])

    @rule(side=sides)
    def step(self, side: int) -> None:
        self._call(side, self.ends[side].do_handshake)

    @rule(side=sides)
    def flush(self, side: int) -> None:
        self._emit(side, self._call(side, self.ends[side].data_to_send))

    @rule(side=sides, size=SIZES)
    def write(self, side: int, size: int) -> None:
        data = bytes([next(self.fill) % 256]) * size
        if self._call(side, self.ends[side].write, data) is not None:
            self.written[side] += data
        else:
            end = self.ends[side]
            assert end.error or end.close_notify_sent or not end.handshake_complete

    @rule(side=sides, size=st.none() | SIZES)
    def take(self, side: int, size: int | None) -> None:
        data = self.ends[side].read(size)
        assert size is None or len(data) <= size
        self.read[side] += data

    @rule(side=sides, size=SIZES)
    def take_into(self, side: int, size: int) -> None:
        buffer = bytearray(b"\xaa" * (size + 3))
        count = self.ends[side].read_into(memoryview(buffer)[:size])
        assert buffer[count:] == b"\xaa" * (len(buffer) - count)
        self.read[side] += buffer[:count]

    @rule(side=sides, ask=st.booleans())
    def update(self, side: int, ask: bool) -> None:
        self._call(side, self.ends[side].key_update, ask)

    @rule()
    def ask_for_a_certificate(self) -> None:
        self._call(SERVER, self.ends[SERVER].request_certificate)

    @rule(side=sides)
    def half_close(self, side: int) -> None:
        self._call(side, self.ends[side].send_close_notify)

    @rule(side=sides)
    def abort(self, side: int) -> None:
        if not self.ends[CLIENT].handshake_complete:
            return
        end = self.ends[side]
        dead = end.error is not None
        end.abort()
        self.aborted[side] = True
        assert end.error is not None
        output = end.data_to_send()
        assert dead or output or end.close_notify_sent
        self._emit(side, output)

    # -- the wire, from *side* to the other ----------------------------------------------------

    def _deliver(self, side: int, size: int) -> None:
        data = bytes(self.wire[side][:size])
        del self.wire[side][:size]
        receiver = self.ends[1 - side]
        if receiver.error is None and not receiver.peer_closed and not self.cut[side]:
            self.taken[side] += data
            self._call(1 - side, receiver.receive_data, memoryview(bytearray(data)))
        else:
            before = receiver.readable
            receiver.receive_data(data)
            assert receiver.readable == before

    @rule(side=sides)
    def deliver_all(self, side: int) -> None:
        if not self.cut[side]:
            self._deliver(side, len(self.wire[side]))

    @rule(side=sides, size=st.sampled_from([1, 4, 5, 6, 37, 500, 17000]))
    def deliver_some(self, side: int, size: int) -> None:
        if not self.cut[side]:
            self._deliver(side, size)

    @rule(size=st.sampled_from([1, 64, 1 << 20]))
    def converse(self, size: int) -> None:
        """Both ways until silence, in pieces."""
        for _ in range(12):
            for side in (CLIENT, SERVER):
                self.flush(side)
                while self.wire[side] and not self.cut[side]:
                    self._deliver(side, max(size, len(self.wire[side]) // 50))

    @rule(side=sides, place=st.integers(0, 1 << 20), bits=st.integers(1, 255))
    def flip(self, side: int, place: int, bits: int) -> None:
        if wire := self.wire[side]:
            wire[place % len(wire)] ^= bits
            self.meddled[side] = True

    def _range(self, side: int, place: int, size: int) -> tuple[int, int]:
        start = place % len(self.wire[side])
        return start, min(start + size, len(self.wire[side]))

    pieces = st.sampled_from([1, 3, 5, 6, 21, 300])

    @rule(side=sides, place=st.integers(0, 1 << 20), size=pieces)
    def drop(self, side: int, place: int, size: int) -> None:
        if self.wire[side]:
            start, end = self._range(side, place, size)
            del self.wire[side][start:end]
            self.meddled[side] = True

    @rule(side=sides, place=st.integers(0, 1 << 20), size=pieces)
    def repeat(self, side: int, place: int, size: int) -> None:
        if self.wire[side]:
            start, end = self._range(side, place, size)
            self.wire[side][end:end] = self.wire[side][start:end]
            self.meddled[side] = True

    @rule(
        side=sides,
        how=st.sampled_from(["drop", "repeat", "swap", "to the end"]),
        place=st.integers(0, 1 << 20),
    )
    def meddle_with_records(self, side: int, how: str, place: int) -> None:
        if self.meddled[side] or not self.wire[side]:
            return  # where records begin is known of an honest stream only
        whole = _records(bytes(self.sent[side]))
        rest: list[bytes] = []
        ahead = len(self.wire[side])
        while whole and len(whole[-1]) <= ahead:
            ahead -= len(whole[-1])
            rest.insert(0, whole.pop())
        if not rest:
            return
        index = place % len(rest)
        if how == "drop":
            del rest[index]
        elif how == "repeat":
            rest.insert(index, rest[index])
        elif how == "swap":
            rest[index - 1], rest[index] = rest[index], rest[index - 1]
        else:
            rest.append(rest.pop(index))
        head = bytes(self.wire[side][:ahead])
        changed = head + b"".join(rest)
        self.meddled[side] = changed != bytes(self.wire[side])
        self.wire[side][:] = changed

    @rule(side=sides)
    def cut_off(self, side: int) -> None:
        """The stream from *side* ends here, and what was on its way is lost."""
        if self.cut[side]:
            return
        self.wire[side].clear()
        self._end_of_stream(side)

    def _end_of_stream(self, side: int) -> None:
        self.cut[side] = True
        receiver = self.ends[1 - side]
        was_complete = receiver.handshake_complete
        self._call(1 - side, receiver.receive_eof)
        if receiver.want is Want.WRITE:  # what it has to say comes first, then it sees the end
            self.flush(1 - side)
        assert receiver.error is not None or receiver.peer_closed
        if receiver.error is None:
            assert was_complete, "an end in the handshake went unnoticed"

    # -- what holds ----------------------------------------------------------------------------

    @invariant()
    def nothing_foreign_is_read(self) -> None:
        for side in (CLIENT, SERVER):
            got, wrote = self.read[side], self.written[1 - side]
            assert wrote.startswith(got), "what was read is not what was written"

    @invariant()
    def both_believe_the_same(self) -> None:
        results = [end.established for end in self.ends]
        first, second = results if self.ends else (None, None)
        if first is None or second is None:
            return
        for name in AGREED:
            assert getattr(first, name) == getattr(second, name), name
        shown = {CLIENT: second.identity, SERVER: first.identity}
        for side, identity in shown.items():
            self._who(side, self.ends[side].peer, identity)
        exported = [end.export_keying_material("EXPORTER-model", 32) for end in self.ends]
        assert exported[0] == exported[1]

    def _who(self, side: int, peer: Peer | None, identity: Identity | None) -> None:
        """A side never takes its peer for another than it is."""
        resumed = self.ends[side].established
        assert resumed is not None
        if peer is None:
            # a server that has not asked, or one side of a connection under a shared key
            assert side == SERVER or resumed.psk_identity is not None
            return
        name = "client" if side == SERVER else "localhost"
        expected = certificates.leaf(name).identity
        if peer.raw_public_key is not None:
            assert peer.raw_public_key == expected.raw_public_key
        else:
            assert peer.chain[:1] == expected.chain[:1]
        if identity is not None and not resumed.resumed:
            assert identity.chain[:1] == expected.chain[:1]

    def teardown(self) -> None:
        if not self.ends:
            return
        self.converse(1 << 20)
        for side in (CLIENT, SERVER):
            if not self.cut[side]:
                self._end_of_stream(side)
        for side in (CLIENT, SERVER):
            self.read[side] += self.ends[side].read()
            assert self.ends[side].readable == 0
        self.nothing_foreign_is_read()
        self.both_believe_the_same()
        for side in (CLIENT, SERVER):
            self._judge(side)
        for end in self.ends:
            end.data_to_send()
            assert end.data_to_send() == b"", "a dead connection that goes on talking"
            end.close()

    def _judge(self, side: int) -> None:
        """What became of the stream that *side* has sent."""
        sender, receiver = self.ends[side], self.ends[1 - side]
        taken, sent = (_normal(bytes(s[side]), self.tls13) for s in (self.taken, self.sent))
        if not sent.startswith(taken) and not self._skipped_early_data(side):
            assert sender.error or receiver.error, "a change to the bytes went unnoticed"
        if receiver.error is None:
            assert receiver.peer_closed, "an end without close_notify went unreported"
            assert self.read[1 - side] == self.written[side], "data is missing"
        if not self.meddled[side] and not self.cut_early(side):
            error = receiver.error
            if isinstance(sender.error, ProtocolError) and isinstance(error, AlertReceived):
                assert error.alert == sender.error.alert
            blames = isinstance(error, ProtocolError) and not self.aborted[1 - side]
            blames &= not self._to_be_refused(error)
            assert not blames or self.meddled[1 - side], repr(error)

    def _to_be_refused(self, error: TLSError | None) -> bool:
        """RFC 9849, section 6.1.7: a client that was not understood tells nothing of itself."""
        refused = isinstance(error, ECHRejected) or (
            self.kind.client_auth and getattr(error, "alert", 0) == Alert.CERTIFICATE_REQUIRED
        )
        return refused and self.kind.ech == "rejected"

    def _skipped_early_data(self, side: int) -> bool:
        """RFC 8446, section 4.2.10: what a server has refused it drops, whatever it is."""
        return side == CLIENT and self.kind.early and not self.ends[SERVER].early_data_accepted

    def cut_early(self, side: int) -> bool:
        return len(self.taken[side]) < len(self.sent[side])


@pytest.mark.timeout(600)
@pytest.mark.parametrize(
    ("examples", "steps"),
    [(60, 30), pytest.param(500, 50, marks=pytest.mark.slow)],
    ids=["some", "many"],
)
def test_two_connections_and_a_hostile_wire(examples: int, steps: int) -> None:
    run_state_machine_as_test(
        Connections,
        settings=settings(max_examples=examples, stateful_step_count=steps, deadline=None),
    )
    gc.collect()
    assert len(alive) == 0, "connections outlive their use"


def test_a_truncation_is_never_taken_for_an_end() -> None:
    """The one case that the machine would take long to find: cut at every single byte."""
    for kind in (Kind(), Kind(tls12=True)):
        client, server = _configs(kind)
        pair = connect(client, server).check()
        pair.server.write(b"all of it")
        pair.server.send_close_notify()
        stream = pair.server.data_to_send()
        for length in range(len(stream)):
            receiver = connect(client, server).check()
            receiver.server.write(b"all of it")
            receiver.server.send_close_notify()
            receiver.client.receive_data(receiver.server.data_to_send()[:length])
            with pytest.raises(Truncated):
                receiver.client.receive_eof()
