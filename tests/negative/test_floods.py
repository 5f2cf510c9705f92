"""What must not cost one side far more than it costs the other."""

from __future__ import annotations

import datetime
import itertools
import time
from dataclasses import replace

import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509 import ocsp
from cryptography.x509.oid import ExtendedKeyUsageOID

from aiotls import CertificateError, ClientConfig, Identity, ServerConfig, TLSConnection, TrustStore
from aiotls.compression import COMPRESS, DECOMPRESS
from aiotls.delegation import DelegatedCredential
from aiotls.enums import (
    GREASE_VALUES,
    Alert,
    CertificateCompressionAlgorithm,
    ContentType,
    NamedGroup,
    ProtocolVersion,
    SignatureScheme,
)
from aiotls.errors import DecodeError, ProtocolError
from aiotls.handshake.channel import MAX_IGNORED_RECORDS
from aiotls.handshake.offer import MAX_COOKIE
from aiotls.handshake.post import MAX_TICKETS
from aiotls.handshake.post_auth import MAX_ANSWERS
from aiotls.handshake.selection import choose_group
from aiotls.handshake.tickets import MAX_TICKET
from aiotls.sessions import MAX_LIFETIME, MemoryReplayGuard, MemorySessionCache, Session
from aiotls.trust.staple import MAX_RESPONDERS, check_staple
from aiotls.wire import extensions as ext
from aiotls.wire.extensions import Extensions, KeyShareEntry, Rows
from aiotls.wire.messages import (
    Certificate,
    ClientHello,
    EncryptedExtensions,
    Message,
    NewSessionTicket,
    NewSessionTicket12,
    ServerHello,
)
from tests import certificates
from tests.engine.pair import Pair, connect


def test_client_obeys_a_bounded_number_of_certificate_requests(
    client: ClientConfig,
    server: ServerConfig,
    client_identity: Identity,
    client_trust: TrustStore,
) -> None:
    """RFC 8446, section 4.6.2 sets no limit; each costs a signature and a long answer."""
    client = client.replace(post_handshake_auth=True, identity=client_identity)
    pair = connect(client, server.replace(trust=client_trust)).check()
    for _ in range(MAX_ANSWERS):
        pair.server.request_certificate()
        pair.pump()
    pair.check()
    pair.server.request_certificate()
    pair.pump()
    assert isinstance(pair.client_error, ProtocolError)
    assert pair.client_error.alert == Alert.UNEXPECTED_MESSAGE


class _Counting(MemorySessionCache):
    def __init__(self) -> None:
        super().__init__()
        self.puts = 0

    def put(self, key: bytes, session: Session) -> None:
        self.puts += 1
        super().put(key, session)


def test_client_takes_a_bounded_number_of_tickets(
    client: ClientConfig, server: ServerConfig
) -> None:
    """RFC 8446, section 4.6.1: any number may be sent. Data after them arrives all the same."""
    cache = _Counting()
    pair = connect(client.replace(session_cache=cache), server.replace(tickets=0)).check()
    ticket = NewSessionTicket(100, 0, b"\0", b"ticket", Extensions()).encode()
    for _ in range(MAX_TICKETS + 100):
        pair.server._writer.write(ContentType.HANDSHAKE, ticket)
    pair.server.write(b"data")
    pair.pump()
    pair.check()
    assert cache.puts == MAX_TICKETS
    assert pair.client.read() == b"data"


def test_long_lists_of_groups_and_of_shares_cost_a_bounded_time(server: ServerConfig) -> None:
    """Each share is looked up among the groups: without a set, a ClientHello of 64 KB would cost
    tens of millions of comparisons.
    """
    shares = tuple(KeyShareEntry(0x4000 + number, b"x") for number in range(5000))
    groups = (0x3000,) * 13_000 + tuple(share.group for share in shares)
    rows: Rows = [(ext.SUPPORTED_GROUPS, groups), (ext.KEY_SHARE, shares)]
    hello = ClientHello(
        random=bytes(32),
        session_id=b"",
        cipher_suites=(0x1301,),
        extensions=Extensions.build(rows),
    )
    parsed = ClientHello.parse(hello.encode()[4:])
    begin = time.process_time()
    with pytest.raises(ProtocolError) as caught:
        choose_group(server, parsed)
    assert caught.value.alert == Alert.HANDSHAKE_FAILURE
    assert time.process_time() - begin < 0.2


def test_a_zstd_frame_does_not_name_its_own_window() -> None:
    """RFC 8878, section 3.1.1.1.2: 8 MiB, whatever the header of a frame of ten bytes says."""
    algorithm = CertificateCompressionAlgorithm.ZSTD
    if algorithm not in DECOMPRESS:
        pytest.skip("zstd is not installed")
    good = COMPRESS[algorithm](bytes(5000))
    assert DECOMPRESS[algorithm](good, 5001) == bytes(5000)
    header = b"\x28\xb5\x2f\xfd\x00"  # the magic number; no content size, so a window is named
    block = b"\x01\0\0"  # the last one, raw and empty
    for exponent, taken in ((13, True), (14, False), (17, False), (21, False)):
        frame = header + bytes([exponent << 3]) + block
        if taken:
            assert DECOMPRESS[algorithm](frame, 100) == b""
        else:
            with pytest.raises(Exception, match="memory"):
                DECOMPRESS[algorithm](frame, 100)


def test_a_delegated_credential_ends_within_the_calendar() -> None:
    """RFC 9345, section 4.1.3: an overflow is an end too far away, and nothing of ours."""
    begin = datetime.datetime(9990, 1, 1, tzinfo=datetime.UTC)
    late = certificates.leaf("localhost", begins=begin, ends=begin + datetime.timedelta(1))
    scheme = SignatureScheme.ecdsa_secp256r1_sha256
    credential = DelegatedCredential((1 << 32) - 1, scheme, b"key", scheme, b"signature")
    with pytest.raises(ProtocolError) as caught:
        credential.verify(late.certificate, late.der, begin)
    assert caught.value.alert == Alert.ILLEGAL_PARAMETER


def test_early_data_is_refused_where_the_ticket_promised_more(
    client: ClientConfig, server: ServerConfig
) -> None:
    """RFC 8446, section 4.2.10: a client may send all that its ticket allows, so a server that
    takes less by now refuses early data as a whole, and does not end the connection over it.
    """
    guard = MemoryReplayGuard(clock=itertools.count(1.0, 1e9).__next__)
    server = server.replace(max_early_data=1 << 15, replay_guard=guard)
    for now, accepted in ((server, True), (server.replace(max_early_data=1 << 10), False)):
        connect(client, server).check()
        early = TLSConnection(client, "localhost", early_data=bytes(1 << 14), replay=True)
        pair = Pair(early, TLSConnection(now))
        pair.pump()
        pair.check()
        assert pair.server.established is not None
        assert pair.server.established.resumed
        assert pair.server.early_data_accepted is accepted
        assert pair.server.read() == bytes(1 << 14)


def test_a_session_has_a_time_that_a_clock_can_show() -> None:
    session = Session(version=0x0304, suite=0x1301, secret=bytes(32), created=1e9, lifetime=60)
    encoded = session.encode()
    assert Session.decode(encoded) == session
    with pytest.raises(DecodeError, match="layout"):  # of a later version, in a shared store
        Session.decode(bytes([encoded[0] + 1]) + encoded[1:])
    for created in (1 << 49, 0xBF6E2B6E6E6E6E7D):
        with pytest.raises(ProtocolError):
            Session.decode(replace(session, created=created / 1000).encode())
    assert session.expired(1e9 + MAX_LIFETIME)


def test_an_identity_with_an_unreadable_subject_has_a_repr() -> None:
    """A name is only read when it is asked for, and must not fail then."""
    issued = certificates.leaf(common_name="fine", alternative_names=False)
    broken = issued.der.replace(b"fine", b"fi\xff\xff")
    assert broken != issued.der
    identity = Identity([broken], issued.key)
    assert "unreadable" in repr(identity)


@pytest.mark.parametrize("others", [0, MAX_RESPONDERS - 1, MAX_RESPONDERS])
def test_a_bounded_number_of_responders_is_looked_at(others: int) -> None:
    """RFC 6960, section 4.2.2.2: a response may bring certificates; each costs verifications."""
    purposes = (ExtendedKeyUsageOID.OCSP_SIGNING,)
    many = [certificates.leaf(number=number, purposes=purposes) for number in range(1, others + 2)]
    issuer, leaf = certificates.authority(), certificates.leaf()
    now = datetime.datetime.now(datetime.UTC)
    response = (
        ocsp.OCSPResponseBuilder()
        .add_response(
            cert=leaf.certificate,
            issuer=issuer.certificate,
            algorithm=hashes.SHA1(),
            cert_status=ocsp.OCSPCertStatus.GOOD,
            this_update=now,
            next_update=now + datetime.timedelta(hours=1),
            revocation_time=None,
            revocation_reason=None,
        )
        .responder_id(ocsp.OCSPResponderEncoding.HASH, many[-1].certificate)
        .certificates([responder.certificate for responder in many])
        .sign(many[-1].key, hashes.SHA256())
    )
    path = (leaf.certificate, issuer.certificate)
    data = response.public_bytes(Encoding.DER)
    if others < MAX_RESPONDERS:
        check_staple(data, path, now)
    else:
        with pytest.raises(CertificateError, match="not signed"):
            check_staple(data, path, now)


def test_a_staple_that_cannot_be_read_is_no_error_of_ours() -> None:
    """Every byte of it is the peer's: wherever it breaks, that is a bad response."""
    now = datetime.datetime.now(datetime.UTC)
    path = (certificates.leaf().certificate, certificates.authority().certificate)
    for data in (b"", b"\x30", b"\x30\x03\x0a\x01\x01", b"\x30\x03\x0a\x01\x00", b"\xff" * 50):
        with pytest.raises(CertificateError) as caught:
            check_staple(data, path, now)
        assert caught.value.alert == Alert.BAD_CERTIFICATE_STATUS_RESPONSE


def test_empty_records_of_early_data_come_to_an_end(
    client: ClientConfig, server: ServerConfig
) -> None:
    """RFC 8446, section 5.1 allows them; they count towards no limit in bytes."""
    guard = MemoryReplayGuard(clock=itertools.count(1.0, 1e9).__next__)
    server = server.replace(max_early_data=100, replay_guard=guard)
    for count, taken in ((MAX_IGNORED_RECORDS // 2, True), (MAX_IGNORED_RECORDS + 1, False)):
        connect(client, server).check()
        early = TLSConnection(client, "localhost", early_data=b"early")
        hello = early.data_to_send()
        for _ in range(count):
            early._writer.write(ContentType.APPLICATION_DATA, b"")
        end = TLSConnection(server)
        end.receive_data(hello)
        pair = Pair(early, end)
        pair.pump()
        if taken:
            pair.check()
            assert end.early_data_accepted
            assert end.read() == b"early"
        else:
            assert isinstance(pair.server_error, ProtocolError)
            assert pair.server_error.alert == Alert.UNEXPECTED_MESSAGE


@pytest.mark.parametrize("size", [1, MAX_COOKIE, MAX_COOKIE + 1, 65_450])
def test_a_cookie_leaves_room_for_the_rest_of_a_client_hello(
    client: ClientConfig, server: ServerConfig, size: int
) -> None:
    """RFC 8446, section 4.2.2: a server may ask for what no ClientHello has room for."""

    def ask(message: Message) -> Message:
        if not isinstance(message, ServerHello) or not message.is_retry:
            return message
        rows: Rows = [*message.extensions.items, (ext.COOKIE, bytes(size))]
        return replace(message, extensions=Extensions.build(rows))

    pair = connect(client, server.replace(groups=[NamedGroup.SECP521R1]), server_sends=ask)
    if size <= MAX_COOKIE:
        assert isinstance(pair.server_error, ProtocolError)
        assert pair.server_error.reason == "BAD_COOKIE"  # it came back
    else:
        assert isinstance(pair.client_error, ProtocolError)
        assert pair.client_error.alert == Alert.ILLEGAL_PARAMETER


def test_a_ticket_that_fits_into_no_client_hello_is_dropped(
    client: ClientConfig, server: ServerConfig
) -> None:
    cache = _Counting()
    pair = connect(client.replace(session_cache=cache), server.replace(tickets=0)).check()
    for size in (MAX_TICKET, MAX_TICKET + 1, 65_535):
        ticket = NewSessionTicket(100, 0, b"\0", bytes(size), Extensions())
        pair.server._writer.write(ContentType.HANDSHAKE, ticket.encode())
    pair.pump()
    pair.check()
    assert cache.puts == 1
    again = connect(client.replace(session_cache=cache), server).check()
    assert again.client.established is not None
    assert not again.client.established.resumed


def test_a_ticket_of_tls_1_2_that_fits_into_no_client_hello_is_dropped(
    client: ClientConfig, server: ServerConfig
) -> None:
    cache = _Counting()
    client = client.replace(session_cache=cache, max_version=ProtocolVersion.TLSv1_2)

    def grow(message: Message) -> Message:
        if isinstance(message, NewSessionTicket12):
            return replace(message, ticket=bytes(MAX_TICKET + 1))
        return message

    connect(client, server, server_sends=grow).check()
    kept = [cache.puts]
    connect(client, server).check()
    assert [*kept, cache.puts] == [0, 1]


@pytest.mark.parametrize("where", [EncryptedExtensions, Certificate, ServerHello])
def test_client_takes_no_reserved_extension_for_an_answer(
    client: ClientConfig, server: ServerConfig, where: type[Message]
) -> None:
    """RFC 8701, section 3.1: what was sent to be ignored MUST NOT come back."""
    reserved: list[int] = []

    def look(message: Message) -> Message:
        if isinstance(message, ClientHello):
            reserved.extend(kind for kind in message.extensions.types if kind in GREASE_VALUES)
        return message

    def echo(message: Message) -> Message:
        if isinstance(message, Certificate):
            entry = message.entries[0]
            rows = [*entry.extensions.items, (reserved[0], b"")]
            entry = replace(entry, extensions=Extensions.build(rows))
            return replace(message, entries=(entry,)) if where is Certificate else message
        if isinstance(message, (EncryptedExtensions, ServerHello)) and isinstance(message, where):
            rows = [*message.extensions.items, (reserved[0], b"")]
            return replace(message, extensions=Extensions.build(rows))
        return message

    pair = connect(client, server, client_sends=look, server_sends=echo)
    assert reserved
    assert isinstance(pair.client_error, ProtocolError)
    assert pair.client_error.alert == Alert.UNSUPPORTED_EXTENSION
