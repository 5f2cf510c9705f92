"""Messages in an unexpected order: RFC 8446, section 4, and RFC 5246, section 7.4.

Every handshake message that there is, in every place of every kind of handshake where it does not
belong; every message left out, and each sent twice. Whoever gets it MUST end the handshake with
unexpected_message.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache

import pytest

from aiotls import ClientAuth, ClientConfig, ServerConfig, TLSConnection
from aiotls.enums import Alert, HandshakeType, NamedGroup, ProtocolVersion
from aiotls.errors import ProtocolError
from aiotls.sessions import MemoryReplayGuard, MemorySessionCache
from aiotls.wire.messages import Message
from tests.conftest import identity, trust_store
from tests.engine.pair import Pair, mutate

H = HandshakeType
UNKNOWN = 77
KINDS = (*HandshakeType, UNKNOWN)


@dataclass(frozen=True)
class Flow:
    """A kind of handshake."""

    version: ProtocolVersion = ProtocolVersion.TLSv1_3
    mutual: bool = False
    resumed: bool = False
    retried: bool = False
    early: bool = False

    def start(self) -> Pair:
        """Two connections that are about to have it; what has to come before has been."""
        client = ClientConfig(
            trust=trust_store(),
            identity=identity("client") if self.mutual else None,
            session_cache=MemorySessionCache(),
            min_version=self.version,
            max_version=self.version,
            certificate_compression=[],
        )
        server = ServerConfig(
            identity=identity("localhost"),
            client_auth=ClientAuth.REQUIRED if self.mutual else ClientAuth.NONE,
            trust=trust_store() if self.mutual else None,
            max_early_data=1024 if self.early else 0,
            replay_guard=MemoryReplayGuard() if self.early else None,
            certificate_compression=[],
        )
        if self.resumed:
            before = self._pair(client, server)
            before.pump()
            before.check()
        if self.retried:
            server = server.replace(groups=[NamedGroup.SECP521R1])  # for which there is no share
        return self._pair(client, server, b"early" if self.early else b"")

    def _pair(self, client: ClientConfig, server: ServerConfig, early: bytes = b"") -> Pair:
        return Pair(TLSConnection(client, "localhost", early_data=early), TLSConnection(server))


TLS12 = ProtocolVersion.TLSv1_2
FLOWS = {
    "full": Flow(),
    "mutual": Flow(mutual=True),
    "resumed": Flow(resumed=True),
    "early": Flow(resumed=True, early=True),
    "retried": Flow(retried=True),
    "full of TLS 1.2": Flow(TLS12),
    "mutual of TLS 1.2": Flow(TLS12, mutual=True),
    "resumed of TLS 1.2": Flow(TLS12, resumed=True),
}


def sender(pair: Pair, side: str) -> TLSConnection:
    return pair.server if side == "server" else pair.client


def kind_of(message: Message) -> int:
    return message.encode()[0]


@cache
def sent(flow: str, side: str) -> tuple[bytes, ...]:
    """What one side sends in a handshake that nobody disturbs."""
    pair = FLOWS[flow].start()
    messages: list[bytes] = []

    def record(message: Message) -> Message:
        if not sender(pair, side).handshake_complete:
            messages.append(message.encode())
        return message

    mutate(sender(pair, side), record)
    pair.pump()
    pair.check()
    return tuple(messages)


@cache
def sample(kind: int) -> bytes:
    """A message of a type: one that was sent in some handshake, or else an empty one."""
    for flow in FLOWS:
        for side in ("client", "server"):
            for message in sent(flow, side):
                if message[0] == kind:
                    return message
    return bytes([kind, 0, 0, 0])


def disturb(flow: str, side: str, change: Callable[[int, Message], list[Message | bytes]]) -> Pair:
    """A handshake in which *change* says what goes in place of the n-th message of a side."""
    pair = FLOWS[flow].start()
    count = 0

    def replace(message: Message) -> list[Message | bytes]:
        nonlocal count
        count += 1
        return change(count - 1, message)

    mutate(sender(pair, side), replace)
    pair.pump()
    return pair


def refused(pair: Pair, side: str) -> bool:
    """Whether the other side ended the handshake with unexpected_message."""
    error = pair.client_error if side == "server" else pair.server_error
    return isinstance(error, ProtocolError) and error.alert == Alert.UNEXPECTED_MESSAGE


PLACES = [
    (flow, side, number)
    for flow in FLOWS
    for side in ("client", "server")
    for number in range(len(sent(flow, side)))
]


def place_id(place: tuple[str, str, int]) -> str:
    flow, side, number = place
    kind = H.label(sent(flow, side)[number][0]).lower()
    return f"{flow}, {side}'s {number + 1}: {kind}"


def may_come(flow: str, side: str, number: int, kind: int) -> bool:
    """Whether a message is no surprise in front of the n-th that a side sends, or instead of it."""
    before = sent(flow, side)[number][0]
    if kind == H.CERTIFICATE_REQUEST and side == "server" and not FLOWS[flow].mutual:
        return before == (H.SERVER_HELLO_DONE if FLOWS[flow].version is TLS12 else H.CERTIFICATE)
    if kind == H.COMPRESSED_CERTIFICATE:  # it is told by its content that it was not asked for
        following = (H.CERTIFICATE, H.CERTIFICATE_REQUEST)
        return before in following and FLOWS[flow].version is not TLS12
    return kind == before


@pytest.mark.parametrize("place", PLACES, ids=map(place_id, PLACES))
def test_what_does_not_belong_there(place: tuple[str, str, int]) -> None:
    flow, side, number = place

    def insert(kind: int) -> Callable[[int, Message], list[Message | bytes]]:
        return lambda count, message: [sample(kind), message] if count == number else [message]

    for kind in KINDS:
        if not may_come(flow, side, number, kind):
            assert refused(disturb(flow, side, insert(kind)), side), H.label(kind)


@pytest.mark.parametrize("place", PLACES, ids=map(place_id, PLACES))
def test_what_comes_twice(place: tuple[str, str, int]) -> None:
    flow, side, number = place
    pair = disturb(
        flow, side, lambda count, message: [message] * 2 if count == number else [message]
    )
    assert refused(pair, side)


NEEDED = [
    (flow, side, number)
    for flow, side, number in PLACES
    if sent(flow, side)[number][0] != H.CERTIFICATE_REQUEST  # a server may ask or not
]


@pytest.mark.parametrize("place", NEEDED, ids=map(place_id, NEEDED))
def test_what_is_left_out(place: tuple[str, str, int]) -> None:
    """Where more follows, that is refused; where nothing does, it is waited for."""
    flow, side, number = place
    pair = disturb(flow, side, lambda count, message: [] if count == number else [message])
    receiver = pair.client if side == "server" else pair.server
    assert not receiver.handshake_complete
    assert refused(pair, side) or receiver.expecting
