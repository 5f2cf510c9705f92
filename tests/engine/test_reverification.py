"""Who is believed when a session is resumed: RFC 8446, sections 2.2, 4.6.1 and C.4."""

from __future__ import annotations

import datetime

import pytest

from aiotls import (
    CertificateError,
    ClientAuth,
    ClientConfig,
    Identity,
    MemoryReplayGuard,
    ProtocolError,
    ServerConfig,
    TLSConnection,
)
from aiotls.enums import Alert, ProtocolVersion
from aiotls.handshake.auth import Peer
from aiotls.sessions import (
    MAX_LIFETIME,
    MemorySessionCache,
    MemorySessionStore,
    Session,
    TicketKeyRing,
)
from tests import certificates
from tests.certificates import NOW
from tests.engine.pair import Pair, connect

VERSIONS = [ProtocolVersion.TLSv1_2, ProtocolVersion.TLSv1_3]


@pytest.fixture(params=VERSIONS, ids=lambda version: version.name)
def version(request: pytest.FixtureRequest) -> ProtocolVersion:
    found: ProtocolVersion = request.param
    return found


class Clock:
    """A clock that is set by hand."""

    def __init__(self) -> None:
        self.now = NOW.timestamp()

    def __call__(self) -> float:
        return self.now

    def move_on(self, **duration: float) -> None:
        self.now += datetime.timedelta(**duration).total_seconds()


@pytest.fixture
def clock() -> Clock:
    return Clock()


def resumed(pair: Pair) -> bool:
    established = pair.check().client.established
    assert established is not None
    assert pair.server.established is not None
    assert pair.server.established.resumed is established.resumed
    return established.resumed


def refused(pair: Pair, alert: Alert) -> None:
    error = pair.client_error
    assert isinstance(error, (CertificateError, ProtocolError)), error
    assert error.alert == alert, error


class Judge:
    """The application's own check."""

    def __init__(self) -> None:
        self.asked = 0
        self.fine = True

    def __call__(self, peer: object) -> None:
        self.asked += 1
        if not self.fine:
            raise CertificateError(Alert.ACCESS_DENIED, "not any more")


def ring(clock: Clock) -> TicketKeyRing:
    """Ticket keys that last."""
    return TicketKeyRing(rotation=None, clock=clock)


# -- on request ------------------------------------------------------------------------------------


def test_a_server_is_verified_again_where_that_is_asked_for(
    client: ClientConfig, server: ServerConfig, version: ProtocolVersion
) -> None:
    judge = Judge()
    client = client.replace(verify=judge, verify_on_resumption=True, max_version=version)
    assert not resumed(connect(client, server))
    pair = connect(client, server)
    assert resumed(pair)
    assert pair.client.peer is not None
    assert pair.client.peer.verified_chain
    assert judge.asked == 2
    judge.fine = False
    refused(connect(client, server), Alert.ACCESS_DENIED)
    assert judge.asked == 4  # for the session, which was dropped, and for the full handshake


def test_a_server_is_not_verified_again_by_default(
    client: ClientConfig, server: ServerConfig, version: ProtocolVersion
) -> None:
    judge = Judge()
    client = client.replace(verify=judge, max_version=version)
    assert not resumed(connect(client, server))
    assert resumed(connect(client, server))
    assert judge.asked == 1


def test_a_server_that_is_not_trusted_any_more_is_asked_for_a_full_handshake(
    client: ClientConfig, server: ServerConfig, version: ProtocolVersion
) -> None:
    """It may have a certificate by now that is: a dropped session costs nothing but time."""
    new = certificates.leaf("localhost", number=8).identity
    revoked: list[tuple[bytes, ...]] = []

    def verify(peer: Peer) -> None:
        if peer.chain in revoked:
            raise CertificateError(Alert.CERTIFICATE_REVOKED, "the old one")

    client = client.replace(verify=verify, verify_on_resumption=True, max_version=version)
    connect(client, server).check()
    revoked.append(server.identities[0].chain)
    pair = connect(client, server.replace(identity=new))
    assert not resumed(pair)
    assert pair.client.peer is not None
    assert pair.client.peer.chain == new.chain


def test_early_data_does_not_go_to_a_server_that_is_not_believed_any_more(
    client: ClientConfig, server: ServerConfig
) -> None:
    judge = Judge()
    client = client.replace(verify=judge, verify_on_resumption=True)
    server = server.replace(max_early_data=1024, replay_guard=MemoryReplayGuard(clock=Clock()))
    connect(client, server).check()
    judge.fine = False
    early = TLSConnection(client, "localhost", early_data=b"secret")
    pair = Pair(early, TLSConnection(server))
    pair.pump()
    refused(pair, Alert.ACCESS_DENIED)
    assert pair.server.read_early_data() == b""


@pytest.mark.parametrize("known", [True, False])
def test_a_raw_key_is_verified_again(version: ProtocolVersion, known: bool) -> None:
    identity = Identity.from_raw_key(certificates.key())
    answers = [True, known, False]
    client = ClientConfig(
        verify_raw_public_key=lambda key: answers.pop(0),
        verify_on_resumption=True,
        max_version=version,
    )
    server = ServerConfig(identity=identity)
    assert not resumed(connect(client, server))
    pair = connect(client, server)
    if known:
        assert resumed(pair)
    else:
        refused(pair, Alert.CERTIFICATE_UNKNOWN)


def test_a_check_that_fails_ends_the_handshake(version: ProtocolVersion) -> None:
    """It is no word about the server, so nothing is concluded from it."""

    def look_up(key: bytes) -> bool:
        if answers:
            return answers.pop()
        raise RuntimeError("the directory is gone")

    answers = [True]
    client = ClientConfig(
        verify_raw_public_key=look_up, verify_on_resumption=True, max_version=version
    )
    server = ServerConfig(identity=Identity.from_raw_key(certificates.key()))
    assert not resumed(connect(client, server))
    refused(connect(client, server), Alert.INTERNAL_ERROR)


# -- always ----------------------------------------------------------------------------------------


def test_a_session_dies_with_the_servers_certificate(
    version: ProtocolVersion, clock: Clock
) -> None:
    leaf = certificates.leaf("localhost", ends=NOW + datetime.timedelta(hours=1))
    client = ClientConfig(trust=leaf.trust, clock=clock, max_version=version)
    server = ServerConfig(identity=leaf.identity, clock=clock)
    assert not resumed(connect(client, server))
    clock.move_on(minutes=59)
    assert resumed(connect(client, server))
    clock.move_on(minutes=2)
    refused(connect(client, server), Alert.CERTIFICATE_EXPIRED)


def test_a_session_dies_with_the_certificate_of_an_issuer(
    version: ProtocolVersion, clock: Clock
) -> None:
    issuer = certificates.intermediate(ends=NOW + datetime.timedelta(hours=1))
    leaf = certificates.leaf("localhost", issuer=issuer)
    client = ClientConfig(trust=leaf.trust, clock=clock, max_version=version)
    server = ServerConfig(identity=leaf.identity, clock=clock)
    assert not resumed(connect(client, server))
    clock.move_on(minutes=59)
    assert resumed(connect(client, server))
    clock.move_on(minutes=2)
    refused(connect(client, server), Alert.CERTIFICATE_EXPIRED)


def test_a_session_dies_with_the_clients_certificate(
    client: ClientConfig, server: ServerConfig, version: ProtocolVersion, clock: Clock
) -> None:
    own = certificates.leaf("client", number=3, ends=NOW + datetime.timedelta(hours=1))
    client = client.replace(identity=own.identity, clock=clock, max_version=version)
    server = server.replace(client_auth=ClientAuth.REQUIRED, trust=own.trust, clock=clock)
    assert not resumed(connect(client, server))
    clock.move_on(minutes=59)
    assert resumed(connect(client, server))
    clock.move_on(minutes=2)
    assert connect(client, server).server_error is not None


@pytest.mark.parametrize("stored", [False, True])
def test_a_chain_of_sessions_ends_seven_days_after_its_full_handshake(
    client: ClientConfig,
    server: ServerConfig,
    version: ProtocolVersion,
    clock: Clock,
    stored: bool,
) -> None:
    """RFC 8446, section 4.6.1: a ticket that comes with a resumed session makes none younger."""
    client = client.replace(clock=clock, max_version=version)
    server = server.replace(clock=clock, ticket_lifetime=2 * 86_400)
    if stored:
        server = server.replace(session_store=MemorySessionStore(clock=clock))
    else:
        server = server.replace(ticket_keys=ring(clock))
    outcomes = []
    for _ in range(9):  # once a day
        outcomes.append(resumed(connect(client, server)))
        clock.move_on(days=1)
    if version is ProtocolVersion.TLSv1_3:
        assert outcomes == [False, True, True, True, True, True, True, False, True]
    else:  # where a session that is resumed keeps its own lifetime as well
        assert outcomes == [False, True, False, True, False, True, False, True, False]


def test_a_client_counts_from_the_full_handshake_by_itself(
    client: ClientConfig, server: ServerConfig, version: ProtocolVersion, clock: Clock
) -> None:
    """Whatever lifetime the server gives the tickets of a resumed session."""
    cache = MemorySessionCache()
    client = client.replace(clock=clock, max_version=version, session_cache=cache)
    server = server.replace(clock=clock, ticket_lifetime=MAX_LIFETIME, ticket_keys=ring(clock))
    began = clock.now
    for day in range(7):
        assert resumed(connect(client, server)) is (day > 0)
        for sessions in cache._sessions.values():
            for session in sessions:
                assert session.origin == began
                assert session.ends <= began + MAX_LIFETIME
        clock.move_on(days=1)
    assert not resumed(connect(client, server))


def test_a_server_counts_from_the_full_handshake_by_itself(clock: Clock) -> None:
    """Whatever a ticket says of its lifetime."""
    state = Session(
        version=0x0304,
        suite=0x1301,
        secret=bytes(32),
        created=clock.now,
        began=clock.now - 6 * 86_400,
        lifetime=MAX_LIFETIME,
    )
    session = Session.decode(state.encode())
    assert session == state
    assert not session.expired(clock.now + 86_399)
    assert session.expired(clock.now + 86_400)


def test_no_ticket_is_given_that_would_be_dead(
    client: ClientConfig, server: ServerConfig, clock: Clock
) -> None:
    """RFC 8446, section 4.6.1: a lifetime of zero is for tickets that are to be discarded."""
    cache = MemorySessionCache()
    client = client.replace(clock=clock, session_cache=cache)
    server = server.replace(clock=clock, ticket_lifetime=MAX_LIFETIME, ticket_keys=ring(clock))
    connect(client, server).check()
    clock.now += MAX_LIFETIME - 0.5
    cache._sessions[next(iter(cache._sessions))][:-1] = []
    assert resumed(connect(client, server))
    assert len(cache) == 0
