"""Both roles against each other, over a pipe in memory."""

from __future__ import annotations

import itertools
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from aiotls import (
    ClientAuth,
    ClientConfig,
    Identity,
    ProtocolError,
    RevocationLists,
    ServerConfig,
    TLSConnection,
    TrustStore,
    UsageError,
)
from aiotls.config import CertificateQuery
from aiotls.crypto.groups import GROUPS
from aiotls.crypto.suites import TLS12_SUITES, TLS13_SUITES
from aiotls.enums import (
    GREASE_VALUES,
    Alert,
    CipherSuite,
    ExtensionType,
    NamedGroup,
    ProtocolVersion,
    Want,
)
from aiotls.handshake.auth import Peer
from aiotls.sessions import MemoryReplayGuard, MemorySessionStore, TicketKeyRing
from aiotls.wire import extensions as ext
from aiotls.wire.messages import ClientHello
from tests import certificates
from tests.conftest import identity
from tests.engine.pair import Pair, connect

VERSIONS = [ProtocolVersion.TLSv1_2, ProtocolVersion.TLSv1_3]


def exchange(pair: Pair) -> None:
    """Data both ways, and a clean end."""
    for sender, receiver in ((pair.client, pair.server), (pair.server, pair.client)):
        data = bytes(range(256)) * 200
        assert sender.write(data) == len(data)
        receiver.receive_data(sender.data_to_send())
        assert receiver.read() == data
    pair.client.send_close_notify()
    pair.server.receive_data(pair.client.data_to_send())
    assert pair.server.peer_closed


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("size", [1, 2, 3, 5, 7, 64, 1000, None])
def test_a_handshake_in_pieces(
    client: ClientConfig, server: ServerConfig, version: ProtocolVersion, size: int | None
) -> None:
    pair = connect(client.replace(max_version=version), server, size=size).check()
    assert pair.client.established is not None
    assert pair.client.established.version == version
    exchange(pair)


@settings(max_examples=40)
@given(sizes=st.lists(st.integers(1, 2000), min_size=1, max_size=20))
def test_a_handshake_in_any_pieces(sizes: list[int]) -> None:
    from tests.conftest import trust_store

    client = TLSConnection(ClientConfig(trust=trust_store()), "localhost")
    server = TLSConnection(ServerConfig(identity=identity("localhost")))
    turns = itertools.cycle(sizes)
    for _ in range(20):
        for sender, receiver in ((client, server), (server, client)):
            data = sender.data_to_send()
            while data:
                size = next(turns)
                receiver.receive_data(data[:size])
                data = data[size:]
    assert client.handshake_complete
    assert server.handshake_complete


@pytest.mark.parametrize("suite", TLS13_SUITES + TLS12_SUITES, ids=lambda suite: suite.code.name)
def test_each_cipher_suite(
    client: ClientConfig, server: ServerConfig, suite: CipherSuite, rsa_identity: Identity
) -> None:
    code = suite.code  # type: ignore[attr-defined]
    if suite.signature == "RSA":  # type: ignore[attr-defined]
        server = server.replace(identity=rsa_identity, identities=())
    pair = connect(client.replace(cipher_suites=[code]), server).check()
    assert pair.server.established is not None
    assert pair.server.established.suite.code == code
    exchange(pair)


@pytest.mark.parametrize("group", sorted(GROUPS), ids=NamedGroup.label)
@pytest.mark.parametrize("retry", [False, True])
def test_each_group(client: ClientConfig, server: ServerConfig, group: int, retry: bool) -> None:
    named = NamedGroup(group)
    offered = [named] if not retry else [*[g for g in client.groups if g != named][:1], named]
    pair = connect(
        client.replace(groups=offered, key_shares=offered[:1]), server.replace(groups=[named])
    ).check()
    assert pair.client.established is not None
    assert pair.client.established.group == group
    assert pair.client.established.retried is retry
    exchange(pair)


def test_a_cookie_makes_its_way(client: ClientConfig, server: ServerConfig) -> None:
    pair = connect(client, server.replace(retry_cookie=True)).check()
    assert pair.server.established is not None
    assert pair.server.established.retried
    exchange(pair)


def test_a_client_without_key_shares_is_asked(client: ClientConfig, server: ServerConfig) -> None:
    pair = connect(client.replace(key_shares=[]), server).check()
    assert pair.server.established is not None
    assert pair.server.established.retried


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("shown", [True, False])
def test_client_certificates(
    client: ClientConfig,
    server: ServerConfig,
    client_trust: TrustStore,
    client_identity: Identity,
    version: ProtocolVersion,
    shown: bool,
) -> None:
    server = server.replace(client_auth=ClientAuth.OPTIONAL, trust=client_trust)
    client = client.replace(max_version=version, identity=client_identity if shown else None)
    for resumed in (False, True):
        pair = connect(client, server).check()
        assert pair.server.established is not None
        assert pair.server.established.resumed is resumed
        peer = pair.server.peer
        assert (peer is not None) is shown
        if peer is not None:
            assert peer.chain[0] == client_identity.chain[0]
        exchange(pair)


@pytest.mark.parametrize("version", VERSIONS)
def test_sessions_are_resumed(
    client: ClientConfig, server: ServerConfig, version: ProtocolVersion
) -> None:
    client = client.replace(max_version=version)
    full = connect(client, server).check()
    again = connect(client, server).check()
    for pair, resumed in ((full, False), (again, True)):
        for side in (pair.client, pair.server):
            assert side.established is not None
            assert side.established.resumed is resumed
    assert again.client.peer is not None
    assert again.client.peer.verified_chain
    exchange(again)


@pytest.mark.parametrize("version", VERSIONS)
def test_a_ticket_under_a_key_that_is_gone_costs_a_full_handshake(
    client: ClientConfig, server: ServerConfig, version: ProtocolVersion
) -> None:
    client = client.replace(max_version=version)
    connect(client, server).check()
    pair = connect(client, server.replace(ticket_keys=TicketKeyRing())).check()
    assert pair.server.established is not None
    assert not pair.server.established.resumed
    exchange(pair)


def test_a_session_goes_on_over_a_retry(client: ClientConfig, server: ServerConfig) -> None:
    connect(client, server).check()
    pair = connect(client, server.replace(groups=["secp384r1"])).check()
    assert pair.server.established is not None
    assert pair.server.established.resumed
    assert pair.server.established.retried


def test_an_expired_ticket_is_not_offered(client: ClientConfig, server: ServerConfig) -> None:
    now = client.clock()
    client = client.replace(clock=lambda: now)
    connect(client, server).check()
    now += server.ticket_lifetime + 1
    pair = connect(client, server).check()
    assert pair.client.established is not None
    assert not pair.client.established.resumed


@pytest.fixture
def early_server(server: ServerConfig) -> ServerConfig:
    guard = MemoryReplayGuard()
    guard._start -= 1000
    return server.replace(max_early_data=1000, replay_guard=guard)


def start_early(client: ClientConfig, server: ServerConfig, data: bytes, replay: bool) -> Pair:
    first = connect(client, server).check()
    first.server.write(b"ticket")
    pair = Pair(
        TLSConnection(client, "localhost", early_data=data, replay=replay), TLSConnection(server)
    )
    pair.pump()
    return pair.check()


def test_early_data_arrives(client: ClientConfig, early_server: ServerConfig) -> None:
    pair = start_early(client, early_server, b"hello", False)
    assert pair.client.early_data_accepted
    assert pair.server.early_data_accepted
    assert pair.server.read() == b"hello"
    exchange(pair)


def test_what_is_too_long_for_early_data_follows_later(
    client: ClientConfig, early_server: ServerConfig
) -> None:
    data = b"0123456789" * 300
    pair = start_early(client, early_server, data, False)
    assert pair.client.early_data_accepted
    assert pair.server.read() == data


@pytest.mark.parametrize("replay", [True, False])
@pytest.mark.parametrize("change", ["guard", "retry", "ticket"])
def test_refused_early_data_is_sent_again_if_asked_for(
    client: ClientConfig, early_server: ServerConfig, replay: bool, change: str
) -> None:
    connect(client, early_server).check()
    changes: dict[str, dict[str, Any]] = {
        "guard": {"max_early_data": 0},
        "retry": {"groups": ["secp384r1"]},
        "ticket": {"ticket_keys": TicketKeyRing()},
    }
    other = early_server.replace(**changes[change])
    pair = Pair(
        TLSConnection(client, "localhost", early_data=b"hello", replay=replay),
        TLSConnection(other),
    )
    pair.pump()
    pair.check()
    assert not pair.client.early_data_accepted
    assert not pair.server.early_data_accepted
    assert pair.server.read() == (b"hello" if replay else b"")
    exchange(pair)


def test_early_data_is_taken_once(client: ClientConfig, early_server: ServerConfig) -> None:
    connect(client, early_server).check()
    sender = TLSConnection(client, "localhost", early_data=b"hello")
    flight = sender.data_to_send()
    accepted = []
    for _ in range(2):
        server = TLSConnection(early_server)
        server.receive_data(flight)
        server.data_to_send()
        accepted.append(server.read_early_data())
    assert accepted == [b"hello", b""]


def test_both_sides_export_the_same(client: ClientConfig, server: ServerConfig) -> None:
    for version in VERSIONS:
        pair = connect(client.replace(max_version=version), server).check()
        for context in (None, b"", b"context"):
            exported = pair.client.export_keying_material("label", 40, context)
            assert exported == pair.server.export_keying_material(b"label", 40, context)
            assert len(exported) == 40
        for kind in ("tls-exporter", "tls-server-end-point"):
            binding = pair.client.channel_binding(kind)
            assert binding == pair.server.channel_binding(kind)
        # RFC 9266, section 2: an empty context, which in TLS 1.2 is not the same as none.
        label = "EXPORTER-Channel-Binding"
        assert pair.client.channel_binding() == pair.client.export_keying_material(label, 32, b"")
        with pytest.raises(UsageError):
            pair.client.export_keying_material("label", 0)
        with pytest.raises(UsageError):
            pair.client.channel_binding("tls-nonsense")


def test_the_handshake_says_what_it_wants(client: ClientConfig, server: ServerConfig) -> None:
    left, right = TLSConnection(client, "localhost"), TLSConnection(server)
    assert right.do_handshake() is Want.READ
    assert left.do_handshake() is Want.WRITE
    assert left.do_handshake() is Want.WRITE  # until the flight has left
    right.receive_data(left.data_to_send())
    assert left.want is Want.READ
    assert left.expecting == "server_hello"
    left.receive_data(right.data_to_send())
    right.receive_data(left.data_to_send())
    assert left.do_handshake() is None
    assert right.do_handshake() is None


def test_data_needs_a_finished_handshake(client: ClientConfig) -> None:
    connection = TLSConnection(client, "localhost")
    with pytest.raises(UsageError):
        connection.write(b"too early")
    with pytest.raises(UsageError):
        connection.export_keying_material("label", 32)


def test_a_client_needs_a_name(client: ClientConfig) -> None:
    with pytest.raises(UsageError):
        TLSConnection(client)


def test_extensions_stand_in_any_order(client: ClientConfig, server: ServerConfig) -> None:
    orders = set()
    for _ in range(8):
        pair = connect(client.replace(grease=False), server).check()
        record = bytes(pair.to_server)
        hello = ClientHello.parse(record[9 : 9 + int.from_bytes(record[6:9], "big")])
        kinds = hello.extensions.types
        assert ExtensionType.PRE_SHARED_KEY not in kinds[:-1]
        orders.add(tuple(kind for kind in kinds if kind != ExtensionType.PRE_SHARED_KEY))
    assert len(orders) > 4
    assert len({tuple(sorted(order)) for order in orders}) == 1


def test_reserved_values_stand_where_servers_choose(
    client: ClientConfig, server: ServerConfig
) -> None:
    """RFC 8701, section 3.1."""
    pair = connect(client, server).check()
    record = bytes(pair.to_server)
    hello = ClientHello.parse(record[9 : 9 + int.from_bytes(record[6:9], "big")])
    assert hello.cipher_suites[0] in GREASE_VALUES
    assert hello.extensions.types[0] in GREASE_VALUES
    groups = hello.extensions.get(ext.SUPPORTED_GROUPS)
    versions = hello.extensions.get(ext.SUPPORTED_VERSIONS)
    shares = hello.extensions.get(ext.KEY_SHARE)
    assert groups is not None
    assert versions is not None
    assert shares is not None
    assert groups[0] in GREASE_VALUES
    assert versions[0] in GREASE_VALUES
    assert shares[0].group == groups[0]


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("named", [True, False])
def test_a_client_is_told_which_authorities_count(
    client: ClientConfig,
    server: ServerConfig,
    client_trust: TrustStore,
    client_identity: Identity,
    version: ProtocolVersion,
    named: bool,
) -> None:
    queries = []

    def choose(query: CertificateQuery) -> Identity:
        queries.append(query)
        return client_identity

    server = server.replace(
        client_auth=ClientAuth.REQUIRED, trust=client_trust, send_authorities=named
    )
    connect(client.replace(select_identity=choose, max_version=version), server).check()
    (query,) = queries
    names = tuple(c.subject.public_bytes() for c in client_trust.certificates)
    assert query.authorities == (names if named else ())
    assert query.server_name == "localhost"


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("names", [(b"0\0a", b"0\2abc"), ()], ids=["some", "none"])
def test_a_server_may_name_other_authorities_than_it_has_anchors(
    client: ClientConfig,
    server: ServerConfig,
    client_trust: TrustStore,
    client_identity: Identity,
    version: ProtocolVersion,
    names: tuple[bytes, ...],
) -> None:
    queries = []

    def choose(query: CertificateQuery) -> Identity:
        queries.append(query)
        return client_identity

    server = server.replace(
        client_auth=ClientAuth.REQUIRED, trust=client_trust, certificate_authorities=names
    )
    connect(client.replace(select_identity=choose, max_version=version), server).check()
    assert queries[0].authorities == names


@pytest.mark.parametrize("names", [["CN=someone"], [b""], [bytes(5000), bytes(5000)]])
def test_authorities_that_cannot_be_named(server: ServerConfig, names: list[bytes]) -> None:
    with pytest.raises(UsageError, match="certificate_authorities"):
        server.replace(certificate_authorities=names)


@pytest.mark.parametrize("version", VERSIONS)
def test_ticket_keys_may_give_no_ticket(
    client: ClientConfig, server: ServerConfig, version: ProtocolVersion
) -> None:
    """RFC 8446, section 4.6.1: none at all; RFC 5077, section 3.3: an empty one."""

    class Full:
        def seal(self, state: bytes) -> bytes:
            return b""

        def open(self, ticket: bytes) -> None:
            raise AssertionError("there is no ticket to be opened")

    client = client.replace(max_version=version)
    for _ in range(2):
        pair = connect(client, server.replace(ticket_keys=Full())).check()
        assert pair.client.established is not None
        assert not pair.client.established.resumed
        assert pair.client.error is None


def test_a_ticket_that_is_too_long_is_the_keys_mistake(
    client: ClientConfig, server: ServerConfig
) -> None:
    class Long:
        def seal(self, state: bytes) -> bytes:
            return bytes(0x10000)

        def open(self, ticket: bytes) -> None:
            return None

    pair = connect(client, server.replace(ticket_keys=Long()))
    assert isinstance(pair.server_error, ProtocolError)
    assert pair.server_error.alert == Alert.INTERNAL_ERROR


@pytest.mark.parametrize("version", VERSIONS)
def test_a_server_may_keep_the_sessions_itself(
    client: ClientConfig, server: ServerConfig, version: ProtocolVersion
) -> None:
    store = MemorySessionStore()
    server = server.replace(session_store=store)
    client = client.replace(max_version=version)
    for resumed in (False, True, True):
        pair = connect(client, server).check()
        assert pair.client.established is not None
        assert pair.client.established.resumed is resumed
        exchange(pair)
    assert len(store)


def test_a_tls12_session_goes_by_its_number(client: ClientConfig, server: ServerConfig) -> None:
    """RFC 5246, section 7.4.1.2, for clients that take no tickets."""
    store = MemorySessionStore()
    server = server.replace(session_store=store)
    taking = client.replace(max_version=ProtocolVersion.TLSv1_2)
    connect(taking, server.replace(session_store=None)).check()  # the first session has a ticket
    client = taking.replace(session_tickets=False)
    for resumed in (False, True, True):
        pair = connect(client, server).check()
        assert pair.server.established is not None
        assert pair.server.established.resumed is resumed
        assert len(store) == 1
        exchange(pair)


def test_a_resumed_session_does_not_live_longer(client: ClientConfig, server: ServerConfig) -> None:
    now = client.clock()
    client = client.replace(clock=lambda: now, max_version=ProtocolVersion.TLSv1_2)
    server = server.replace(clock=lambda: now, ticket_lifetime=1000)
    resumed = []
    for _ in range(4):
        pair = connect(client, server).check()
        assert pair.server.established is not None
        resumed.append(pair.server.established.resumed)
        now += 400
    assert resumed == [False, True, True, False]


@pytest.mark.parametrize("version", VERSIONS)
def test_the_application_judges_a_resumed_client_too(
    client: ClientConfig,
    server: ServerConfig,
    client_trust: TrustStore,
    client_identity: Identity,
    version: ProtocolVersion,
) -> None:
    asked = []

    def verify(peer: Peer) -> None:
        assert peer.verified_chain
        asked.append(peer)
        if len(asked) == 3:
            raise PermissionError("not any more")

    server = server.replace(client_auth="required", trust=client_trust, verify=verify)
    client = client.replace(max_version=version, identity=client_identity)
    for resumed in (False, True):
        pair = connect(client, server).check()
        assert pair.server.established is not None
        assert pair.server.established.resumed is resumed
        assert pair.server.peer is not None
        assert pair.server.peer.verified_chain
    pair = connect(client, server).check()  # refused, and asked again after a full handshake
    assert pair.server.established is not None
    assert not pair.server.established.resumed
    assert len(asked) == 4


def test_sessions_of_one_trust_are_not_resumed_under_another(client: ClientConfig) -> None:
    cache = client.session_cache
    own = certificates.leaf("localhost").identity
    server = ServerConfig(identity=own, show_raw_public_key=True)
    raw = ClientConfig(raw_public_keys=[own.raw_public_key], session_cache=cache)
    connect(raw, server).check()
    pair = connect(ClientConfig(session_cache=cache), server)
    assert pair.client_error is not None
    lists = RevocationLists([])
    for other in (client.replace(revocation=lists), client.replace(revocation=lists)):
        connect(client, server).check()
        assert connect(other, server).client_error is not None
