"""Tickets that are stale, foreign, forged or replayed lead to a full handshake, and no further.

RFC 8446, section 4.2.11: a server that does not know a key goes on without it; RFC 5077, section
3.1: and so does one of TLS 1.2.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from aiotls import ClientConfig, ProtocolError, ServerConfig
from aiotls.enums import Alert, ProtocolVersion
from aiotls.sessions import MemorySessionCache, MemorySessionStore, Session, TicketKeyRing
from aiotls.wire import extensions as ext
from aiotls.wire.messages import ClientHello, Message
from tests import certificates
from tests.engine.pair import Pair, connect
from tests.negative.test_server_hello import on, with_extensions

VERSIONS = [ProtocolVersion.TLSv1_2, ProtocolVersion.TLSv1_3]


@pytest.fixture(params=VERSIONS, ids=lambda version: version.name)
def version(request: pytest.FixtureRequest) -> ProtocolVersion:
    found: ProtocolVersion = request.param
    return found


@pytest.fixture(params=["tickets", "store"])
def kept(request: pytest.FixtureRequest) -> str:
    where: str = request.param
    return where


class Cache(MemorySessionCache):
    """Gives back a session that is not quite what was put in."""

    def __init__(self) -> None:
        super().__init__()
        self.change: Callable[[Session], Session] = lambda session: session

    def take(self, key: bytes) -> Session | None:
        session = super().take(key)
        return None if session is None else self.change(session)


@pytest.fixture
def cache() -> Cache:
    return Cache()


@pytest.fixture
def client(client: ClientConfig, cache: Cache, version: ProtocolVersion) -> ClientConfig:
    return client.replace(max_version=version, session_cache=cache)


@pytest.fixture
def server(server: ServerConfig, kept: str) -> ServerConfig:
    if kept == "store":
        return server.replace(session_store=MemorySessionStore(), ticket_keys=None)
    return server.replace(ticket_keys=TicketKeyRing())


def resumed(pair: Pair) -> bool:
    """Whether it was; in any case the handshake has come through, on both sides alike."""
    pair.check()
    assert pair.client.established is not None
    assert pair.server.established is not None
    assert pair.client.established.resumed is pair.server.established.resumed
    pair.client.write(b"hello")
    pair.pump()
    assert pair.server.read() == b"hello"
    return pair.client.established.resumed


def test_a_good_one_is_taken(client: ClientConfig, server: ServerConfig) -> None:
    assert not resumed(connect(client, server))
    assert resumed(connect(client, server))


def test_a_stale_one(client: ClientConfig, server: ServerConfig) -> None:
    """By the server's clock, whatever the client's says."""
    connect(client, server).check()
    later = server.clock() + server.ticket_lifetime + 1
    assert not resumed(connect(client, server.replace(clock=lambda: later)))


def test_one_from_the_future(client: ClientConfig, server: ServerConfig) -> None:
    connect(client, server).check()
    before = server.clock() - 3600
    assert not resumed(connect(client, server.replace(clock=lambda: before)))


def test_a_foreign_one(client: ClientConfig, server: ServerConfig, kept: str) -> None:
    connect(client, server).check()
    if kept == "store":
        other = server.replace(session_store=MemorySessionStore())
    else:
        other = server.replace(ticket_keys=TicketKeyRing())
    assert not resumed(connect(client, other))


FORGERIES: dict[str, Callable[[bytes], bytes]] = {
    "first bit": lambda t: bytes([t[0] ^ 0x80]) + t[1:],
    "last bit": lambda t: t[:-1] + bytes([t[-1] ^ 1]),
    "in the middle": lambda t: t[:20] + bytes([t[20] ^ 4]) + t[21:],
    "cut": lambda t: t[:-1],
    "one byte": lambda t: t[:1],
    "longer": lambda t: t + b"\0",
    "zeros": lambda t: bytes(len(t)),
    "long": lambda t: bytes(16_000),
}


@pytest.mark.parametrize("forge", FORGERIES.values(), ids=FORGERIES)
def test_a_forged_one(
    client: ClientConfig, server: ServerConfig, cache: Cache, forge: Callable[[bytes], bytes]
) -> None:
    connect(client, server).check()
    cache.change = lambda session: replace(session, ticket=forge(session.ticket))
    assert not resumed(connect(client, server))
    cache.change = lambda session: session
    assert resumed(connect(client, server))  # with the one that it got then


@pytest.mark.parametrize("kept", ["store"], indirect=True)
def test_a_replayed_one(client: ClientConfig, server: ServerConfig, cache: Cache) -> None:
    """A number in a store is good for one connection."""
    connect(client, server).check()
    first: list[Session] = []

    def always(session: Session) -> Session:
        first.append(session)
        return first[0]

    cache.change = always
    assert resumed(connect(client, server))
    assert not resumed(connect(client, server))


@pytest.mark.parametrize("state", [b"", b"\0", b"\3" * 40, bytes(100), b"\xff" * 100])
def test_one_that_holds_no_session(
    client: ClientConfig, server: ServerConfig, cache: Cache, state: bytes, kept: str
) -> None:
    """Sealed by the right key: of another version of the program, perhaps."""
    connect(client, server).check()
    if isinstance(server.ticket_keys, TicketKeyRing):
        ticket = server.ticket_keys.seal(state)
    else:
        assert isinstance(server.session_store, MemorySessionStore)
        ticket = bytes(32)
        server.session_store.put(ticket, state, 100)
    cache.change = lambda session: replace(session, ticket=ticket)
    assert not resumed(connect(client, server))


def test_one_of_another_version(
    client: ClientConfig, server: ServerConfig, cache: Cache, version: ProtocolVersion
) -> None:
    other = next(v for v in VERSIONS if v is not version)
    connect(client.replace(max_version=other), server).check()
    cache.change = lambda session: replace(session, version=version, suite=suite_of(version))
    assert not resumed(connect(client, server))


def suite_of(version: ProtocolVersion) -> int:
    return 0x1301 if version is ProtocolVersion.TLSv1_3 else 0xC02B


def test_one_for_another_name(client: ClientConfig, server: ServerConfig) -> None:
    """RFC 6066, section 3: a session is of the name that it was made for."""
    other = certificates.leaf("localhost", "other.example").identity
    server = server.replace(identity=other)
    connect(client, server).check()
    renamed = on(ClientHello, lambda m: with_extensions(m, (ext.SERVER_NAME, "other.example")))
    pair = connect(client, server, client_sends=renamed)
    # A PSK's binder does not fit the hello any more, but the server has not come to look at it.
    assert pair.server.established is None or not pair.server.established.resumed


def test_one_of_a_suite_that_is_not_spoken_any_more(
    client: ClientConfig, server: ServerConfig, version: ProtocolVersion
) -> None:
    connect(client, server).check()
    others = [0x1302, 0xC02C]  # with SHA-384
    assert not resumed(connect(client, server.replace(cipher_suites=others)))


def test_one_whose_secret_is_another(
    client: ClientConfig, server: ServerConfig, cache: Cache, version: ProtocolVersion
) -> None:
    """RFC 8446, section 4.2.11.2: who has the ticket and not the key has stolen it."""
    connect(client, server).check()
    cache.change = lambda session: replace(session, secret=bytes(len(session.secret)))
    pair = connect(client, server)
    assert not pair.server.handshake_complete
    if version is ProtocolVersion.TLSv1_3:
        assert isinstance(pair.server_error, ProtocolError)
        assert pair.server_error.alert == Alert.DECRYPT_ERROR


# -- identities and binders: RFC 8446, section 4.2.11 ----------------------------------------------


def psk(change: Callable[[Any], Any]) -> Callable[[Message], Any]:
    """Changes what a ClientHello offers in pre_shared_key."""

    def alter(message: Any) -> Any:
        offered = message.extensions.get(ext.PRE_SHARED_KEY)
        if offered is None:
            return message
        rows = [pair for pair in message.extensions.items if pair[0] != ext.PRE_SHARED_KEY.type]
        block = ext.Extensions.build([*rows, (ext.PRE_SHARED_KEY, change(offered))])
        return replace(message, extensions=block)

    return on(ClientHello, alter)


@pytest.mark.parametrize("version", VERSIONS[1:], indirect=True)
@pytest.mark.parametrize(
    ("change", "alert"),
    [
        (lambda o: replace(o, binders=(bytes(len(o.binders[0])),)), Alert.DECRYPT_ERROR),
        (lambda o: replace(o, binders=(o.binders[0] + b"\0",)), Alert.DECRYPT_ERROR),
        (lambda o: replace(o, binders=(o.binders[0], o.binders[0])), Alert.ILLEGAL_PARAMETER),
        (
            lambda o: replace(o, identities=(o.identities[0], o.identities[0])),
            Alert.ILLEGAL_PARAMETER,
        ),
    ],
    ids=["zeros", "longer", "a binder too many", "an identity too many"],
)
def test_a_binder_belongs_to_its_identity(
    client: ClientConfig, server: ServerConfig, change: Callable[[Any], Any], alert: Alert
) -> None:
    connect(client, server).check()
    pair = connect(client, server, client_sends=psk(change))
    assert isinstance(pair.server_error, ProtocolError)
    assert pair.server_error.alert == alert


@pytest.mark.parametrize("version", VERSIONS[1:], indirect=True)
def test_a_bounded_number_of_identities_is_looked_at(
    client: ClientConfig, server: ServerConfig
) -> None:
    """Each costs a look-up, which may be far away."""
    asked: list[bytes] = []

    def look_up(identity: bytes) -> None:
        asked.append(identity)

    def many(offered: Any) -> Any:
        return replace(
            offered,
            identities=tuple(
                replace(offered.identities[0], identity=b"%d" % n) for n in range(500)
            ),
            binders=offered.binders * 500,
        )

    connect(client, server).check()
    connect(client, server.replace(psk=look_up), client_sends=psk(many))
    assert 0 < len(asked) <= 8
