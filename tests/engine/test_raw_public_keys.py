"""Raw public keys: RFC 7250."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import pytest

from aiotls import (
    CertificateError,
    ClientAuth,
    ClientConfig,
    ExternalPsk,
    Identity,
    ProtocolError,
    ServerConfig,
    TLSError,
    UsageError,
)
from aiotls.config import CertificateQuery, Config
from aiotls.enums import Alert, CertificateType, ExtensionType, ProtocolVersion, SignatureScheme
from aiotls.errors import DecodeError
from aiotls.wire.messages import (
    Certificate,
    Certificate12,
    CertificateEntry,
    ClientHello,
    EncryptedExtensions,
    Message,
    RawPublicKey12,
    ServerHello,
)
from tests import certificates
from tests.engine.pair import Pair, connect
from tests.negative.test_server_hello import on, with_extensions

X509, RAW = CertificateType.X509, CertificateType.RAW_PUBLIC_KEY

VERSIONS = [ProtocolVersion.TLSv1_2, ProtocolVersion.TLSv1_3]


@pytest.fixture(params=VERSIONS, ids=lambda version: version.name)
def version(request: pytest.FixtureRequest) -> ProtocolVersion:
    found: ProtocolVersion = request.param
    return found


@pytest.fixture
def identity() -> Identity:
    return certificates.leaf("localhost").identity


@pytest.fixture
def raw_server(identity: Identity) -> ServerConfig:
    return ServerConfig(identity=identity, show_raw_public_key=True)


@pytest.fixture
def raw_client(identity: Identity, version: ProtocolVersion) -> ClientConfig:
    return ClientConfig(raw_public_keys=[identity.raw_public_key], max_version=version)


def key(number: int, kind: str = "p256") -> Identity:
    """A key alone."""
    return Identity.from_raw_key(certificates.key(kind, number))


def failed(error: TLSError | None, alert: Alert) -> None:
    assert isinstance(error, (ProtocolError, CertificateError)), error
    assert error.alert == alert, error


def shown_by_server(pair: Pair) -> CertificateType:
    peer = pair.check().client.peer
    assert peer is not None
    return X509 if peer.raw_public_key is None else RAW


def shown_by_client(pair: Pair) -> CertificateType | None:
    peer = pair.check().server.peer
    if peer is None:
        return None
    return X509 if peer.raw_public_key is None else RAW


# -- the server's ----------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["p256", "rsa", "ed25519", "mldsa44"])
@pytest.mark.parametrize("alone", [False, True])
def test_a_known_key_is_enough(kind: str, alone: bool, version: ProtocolVersion) -> None:
    identity = certificates.leaf("localhost", key_kind=kind).identity
    if alone:
        identity = Identity.from_raw_key(identity.signer, identity.raw_public_key)
    client = ClientConfig(raw_public_keys=[identity.raw_public_key], max_version=version)
    server = ServerConfig(identity=identity, show_raw_public_key=True)
    if kind.startswith("mldsa") and version is ProtocolVersion.TLSv1_2:
        assert connect(client, server).server_error is not None
        return
    for resumed in (False, True):
        pair = connect(client, server).check()
        assert pair.client.peer is not None
        assert pair.client.peer.raw_public_key == identity.raw_public_key
        assert pair.client.peer.chain == ()
        assert pair.client.established is not None
        assert pair.client.established.resumed is resumed


def test_an_unknown_key_is_refused(raw_server: ServerConfig, version: ProtocolVersion) -> None:
    client = ClientConfig(raw_public_keys=[key(5).raw_public_key], max_version=version)
    failed(connect(client, raw_server).client_error, Alert.CERTIFICATE_UNKNOWN)


def test_a_certificate_will_do_where_there_is_trust(
    client: ClientConfig, server: ServerConfig, identity: Identity, version: ProtocolVersion
) -> None:
    client = client.replace(raw_public_keys=[identity.raw_public_key], max_version=version)
    pair = connect(client, server).check()
    assert pair.client.peer is not None
    assert pair.client.peer.verified_chain


def test_without_trust_a_certificate_is_refused(
    raw_client: ClientConfig, server: ServerConfig
) -> None:
    """RFC 7250, section 4.2: unsupported_certificate."""
    failed(connect(raw_client, server).server_error, Alert.UNSUPPORTED_CERTIFICATE)


@pytest.mark.parametrize(
    ("offered", "own", "shown"),
    [
        ([RAW], ["key"], RAW),
        ([RAW], ["certificate", "key"], RAW),
        ([RAW, X509], ["certificate", "key"], X509),
        ([X509, RAW], ["key", "certificate"], RAW),
        (None, ["key", "certificate"], X509),
        (None, ["key"], None),
        ([RAW], ["certificate"], None),
    ],
)
def test_the_servers_order_decides_on_what_it_shows(
    client: ClientConfig,
    server: ServerConfig,
    offered: list[CertificateType] | None,
    own: list[str],
    shown: CertificateType | None,
    version: ProtocolVersion,
) -> None:
    """RFC 7250, section 4.2: from what the client offers; unsupported_certificate for nothing."""
    alone = key(3)
    identities = {"key": alone, "certificate": server.identities[0]}
    server = server.replace(identities=[identities[name] for name in own])
    client = client.replace(max_version=version)
    if offered is not None:
        client = client.replace(
            raw_public_keys=[alone.raw_public_key], peer_certificate_types=offered
        )
    pair = connect(client, server)
    if shown is None:
        failed(pair.server_error, Alert.UNSUPPORTED_CERTIFICATE)
    else:
        assert shown_by_server(pair) == shown


def test_a_key_alone_goes_with_any_name(version: ProtocolVersion) -> None:
    alone, leaf = key(3), certificates.leaf("other.example")
    server = ServerConfig(identities=[leaf.identity, alone], require_known_name=True)
    client = ClientConfig(raw_public_keys=[alone.raw_public_key], max_version=version)
    assert shown_by_server(connect(client, server)) == RAW
    plain = ClientConfig(trust=leaf.trust, max_version=version)
    failed(connect(plain, server).server_error, Alert.UNRECOGNIZED_NAME)
    assert shown_by_server(connect(plain, server, name="other.example")) == X509


def test_a_server_chooses_among_its_keys_by_what_the_client_can_verify(
    version: ProtocolVersion,
) -> None:
    first, second = key(1, "ed25519"), key(2)
    client = ClientConfig(
        raw_public_keys=[first.raw_public_key, second.raw_public_key],
        signature_schemes=[SignatureScheme.ecdsa_secp256r1_sha256],
        max_version=version,
    )
    pair = connect(client, ServerConfig(identities=[first, second])).check()
    assert pair.server.established is not None
    assert pair.server.established.identity is second


def changed(version: ProtocolVersion) -> type[Message]:
    """The message in which a server answers."""
    return EncryptedExtensions if version is ProtocolVersion.TLSv1_3 else ServerHello


def test_a_server_that_does_not_answer_is_refused(
    raw_client: ClientConfig, raw_server: ServerConfig, version: ProtocolVersion
) -> None:
    drop = (ExtensionType.SERVER_CERTIFICATE_TYPE,)
    change = on(changed(version), lambda m: with_extensions(m, drop=drop))
    pair = connect(raw_client, raw_server, server_sends=change)
    failed(pair.client_error, Alert.UNSUPPORTED_CERTIFICATE)


@pytest.mark.parametrize("selected", [X509, 1, 255])
def test_a_type_that_was_not_offered_is_refused(
    raw_client: ClientConfig, raw_server: ServerConfig, version: ProtocolVersion, selected: int
) -> None:
    row = (ExtensionType.SERVER_CERTIFICATE_TYPE, bytes([selected]))
    change = on(changed(version), lambda m: with_extensions(m, row))
    pair = connect(raw_client, raw_server, server_sends=change)
    failed(pair.client_error, Alert.ILLEGAL_PARAMETER)


@pytest.mark.parametrize("data", [b"", b"\2\2"])
def test_one_type_is_selected(
    raw_client: ClientConfig, raw_server: ServerConfig, version: ProtocolVersion, data: bytes
) -> None:
    row = (ExtensionType.SERVER_CERTIFICATE_TYPE, data)
    change = on(changed(version), lambda m: with_extensions(m, row))
    pair = connect(raw_client, raw_server, server_sends=change)
    failed(pair.client_error, Alert.DECODE_ERROR)


@pytest.mark.parametrize(
    "kind", [ExtensionType.SERVER_CERTIFICATE_TYPE, ExtensionType.CLIENT_CERTIFICATE_TYPE]
)
def test_a_type_is_not_selected_unasked(
    client: ClientConfig, server: ServerConfig, version: ProtocolVersion, kind: ExtensionType
) -> None:
    """RFC 8446, section 4.2: unsupported_extension."""
    change = on(changed(version), lambda m: with_extensions(m, (kind, b"\2")))
    pair = connect(client.replace(max_version=version), server, server_sends=change)
    failed(pair.client_error, Alert.UNSUPPORTED_EXTENSION)


def noted(seen: list[Any]) -> Callable[[Any], Any]:
    """Keeps the messages that pass."""

    def look(message: Any) -> Any:
        seen.append(message)
        return message

    return look


def certificate_of(version: ProtocolVersion, *keys: bytes) -> Message:
    if version is ProtocolVersion.TLSv1_2:
        return RawPublicKey12(keys[0] if keys else b"")
    return Certificate(b"", tuple(map(CertificateEntry, keys)))


@pytest.mark.parametrize("what", ["nothing", "noise", "a certificate", "two"])
def test_what_is_no_key_ends_the_handshake(
    raw_client: ClientConfig,
    raw_server: ServerConfig,
    identity: Identity,
    version: ProtocolVersion,
    what: str,
) -> None:
    tls13 = version is ProtocolVersion.TLSv1_3
    public = identity.raw_public_key
    sent, alert = {
        "nothing": (certificate_of(version), Alert.DECODE_ERROR),
        "noise": (certificate_of(version, b"\x30\x03noi"), Alert.BAD_CERTIFICATE),
        "a certificate": (certificate_of(version, identity.chain[0]), Alert.BAD_CERTIFICATE),
        "two": (
            certificate_of(version, public, public) if tls13 else Certificate12((public, public)),
            Alert.ILLEGAL_PARAMETER if tls13 else Alert.BAD_CERTIFICATE,
        ),
    }[what]
    kind = Certificate if tls13 else RawPublicKey12
    pair = connect(raw_client, raw_server, server_sends=on(kind, lambda m: sent))
    failed(pair.client_error, alert)


def test_a_key_is_proved(
    raw_client: ClientConfig, identity: Identity, version: ProtocolVersion
) -> None:
    """Who knows the key and does not have it is found out by the signature."""
    impostor = key(9)
    public = identity.raw_public_key
    kind = Certificate if version is ProtocolVersion.TLSv1_3 else RawPublicKey12
    pair = connect(
        raw_client,
        ServerConfig(identity=impostor),
        server_sends=on(kind, lambda m: certificate_of(version, public)),
    )
    failed(pair.client_error, Alert.DECRYPT_ERROR)


# -- the client's ----------------------------------------------------------------------------------


def test_clients_show_raw_keys_too(
    client: ClientConfig, server: ServerConfig, version: ProtocolVersion
) -> None:
    own = certificates.leaf("client", number=3).identity
    client = client.replace(identity=own, show_raw_public_key=True, max_version=version)
    server = server.replace(client_auth=ClientAuth.REQUIRED, raw_public_keys=[own.raw_public_key])
    for resumed in (False, True):
        pair = connect(client, server).check()
        assert pair.server.peer is not None
        assert pair.server.peer.raw_public_key == own.raw_public_key
        assert pair.server.established is not None
        assert pair.server.established.resumed is resumed
    other = certificates.leaf("client", number=4).identity
    pair = connect(client.replace(identity=other), server)
    failed(pair.server_error, Alert.CERTIFICATE_UNKNOWN)


def test_a_session_of_a_key_that_is_not_believed_any_more_is_not_resumed(
    client: ClientConfig, server: ServerConfig, version: ProtocolVersion
) -> None:
    own = key(3)
    client = client.replace(identity=own, max_version=version)
    server = server.replace(client_auth=ClientAuth.REQUIRED, raw_public_keys=[own.raw_public_key])
    connect(client, server).check()
    later = server.replace(raw_public_keys=[key(4).raw_public_key])
    failed(connect(client, later).server_error, Alert.CERTIFICATE_UNKNOWN)
    connect(client, server).check()
    certificates_alone = server.replace(
        raw_public_keys=(), trust=certificates.authority().trust, client_auth=ClientAuth.OPTIONAL
    )
    pair = connect(client, certificates_alone)
    failed(pair.server_error, Alert.UNSUPPORTED_CERTIFICATE)


@pytest.mark.parametrize(
    ("own", "offered", "accepted", "shown"),
    [
        (["key"], None, [RAW], RAW),
        (["key", "certificate"], None, [RAW, X509], RAW),
        (["key", "certificate"], None, [X509, RAW], X509),
        (["certificate", "key"], None, [RAW, X509], RAW),
        (["certificate", "key"], None, None, X509),
        (["certificate", "key"], [RAW], [X509, RAW], RAW),
        (["certificate", "key"], [X509, RAW], [X509], X509),
        ([], [RAW], [RAW], None),
    ],
)
def test_the_servers_order_decides_on_what_it_takes(
    client: ClientConfig,
    server: ServerConfig,
    own: list[str],
    offered: Sequence[CertificateType] | None,
    accepted: Sequence[CertificateType] | None,
    shown: CertificateType | None,
    version: ProtocolVersion,
) -> None:
    """RFC 7250, section 4.2: and a client of several identities has one for each type."""
    alone, leaf = key(3), certificates.leaf("client", number=3)
    identities = {"key": alone, "certificate": leaf.identity}
    client = client.replace(
        identities=[identities[name] for name in own], certificate_types=offered
    ).replace(max_version=version)
    server = server.replace(client_auth=ClientAuth.OPTIONAL, trust=leaf.trust)
    if accepted is not None:
        server = server.replace(
            raw_public_keys=[alone.raw_public_key], peer_certificate_types=accepted
        )
    assert shown_by_client(connect(client, server)) == shown


def test_a_client_that_has_nothing_the_server_takes_is_told(
    client: ClientConfig, server: ServerConfig, version: ProtocolVersion
) -> None:
    """RFC 7250, section 4.2: unsupported_certificate, as soon as it is clear."""
    leaf = certificates.leaf("client", number=3)
    required = server.replace(
        client_auth=ClientAuth.REQUIRED, raw_public_keys=[key(3).raw_public_key]
    )
    client = client.replace(identity=leaf.identity, max_version=version)
    failed(connect(client, required).server_error, Alert.UNSUPPORTED_CERTIFICATE)


def test_a_server_that_asks_for_no_certificate_names_no_type(
    client: ClientConfig, server: ServerConfig, version: ProtocolVersion
) -> None:
    """RFC 7250, section 4.2: client_certificate_type goes with a CertificateRequest."""
    seen: list[Any] = []
    change = on(changed(version), noted(seen))
    connect(
        client.replace(identity=key(3), max_version=version), server, server_sends=change
    ).check()
    assert seen
    assert all(ExtensionType.CLIENT_CERTIFICATE_TYPE not in m.extensions for m in seen)


def test_the_hook_is_told_what_the_server_wants(
    client: ClientConfig, server: ServerConfig, version: ProtocolVersion
) -> None:
    alone, leaf = key(3), certificates.leaf("client", number=3)
    asked: list[bool] = []

    def select(query: CertificateQuery) -> Identity:
        asked.append(query.raw_public_key)
        return alone if query.raw_public_key else leaf.identity

    client = client.replace(
        select_identity=select,
        certificate_types=[RAW, X509],
        max_version=version,
        session_cache=None,
    )
    server = server.replace(client_auth=ClientAuth.REQUIRED, trust=leaf.trust)
    assert shown_by_client(connect(client, server)) == X509
    raw = server.replace(raw_public_keys=[alone.raw_public_key])
    assert shown_by_client(connect(client, raw)) == RAW
    assert asked == [False, True]


def test_a_key_alone_is_no_certificate(
    client: ClientConfig, server: ServerConfig, version: ProtocolVersion
) -> None:
    """A client with nothing else shows nothing to a server that wants certificates."""
    alone, leaf = key(3), certificates.leaf("client", number=3)
    client = client.replace(select_identity=lambda query: alone, max_version=version)
    server = server.replace(client_auth=ClientAuth.OPTIONAL, trust=leaf.trust)
    assert shown_by_client(connect(client, server)) is None


def test_a_shown_key_is_asked_for_after_the_handshake_too(
    client: ClientConfig, server: ServerConfig
) -> None:
    alone = key(3)
    client = client.replace(identity=alone, post_handshake_auth=True)
    server = server.replace(
        client_auth=ClientAuth.OPTIONAL,
        raw_public_keys=[alone.raw_public_key],
        trust=certificates.authority().trust,
    )
    pair = connect(client, server).check()
    pair.server.request_certificate()
    pair.pump()
    peer = pair.check().server.peer
    assert peer is not None
    assert peer.raw_public_key == alone.raw_public_key


@pytest.mark.parametrize("trusting", [False, True])
def test_a_key_may_be_asked_for_after_the_handshake_alone(
    client: ClientConfig, server: ServerConfig, trusting: bool
) -> None:
    """RFC 7250, section 4.2: the type is named where a CertificateRequest follows, and this one
    does, later (RFC 8446, section 4.6.2); also where a session is resumed.
    """
    alone = key(3)
    client = client.replace(identity=alone, post_handshake_auth=True)
    trust = certificates.authority().trust if trusting else None
    server = server.replace(raw_public_keys=[alone.raw_public_key], trust=trust)
    for resumed in (False, True):
        pair = connect(client, server).check()
        assert pair.client.established is not None
        assert pair.client.established.resumed is resumed
        assert pair.server.peer is None
        pair.server.request_certificate()
        pair.pump()
        peer = pair.check().server.peer
        assert peer is not None
        assert peer.raw_public_key == alone.raw_public_key


def test_a_type_for_later_is_not_named_to_who_will_not_be_asked(
    client: ClientConfig, server: ServerConfig
) -> None:
    alone = key(3)
    named = []

    def note(message: Message) -> Message:
        if isinstance(message, EncryptedExtensions):
            named.append(ExtensionType.CLIENT_CERTIFICATE_TYPE in message.extensions)
        return message

    client = client.replace(identity=alone)
    takes = server.replace(raw_public_keys=[alone.raw_public_key])
    connect(client, takes, server_sends=note).check()  # no post_handshake_auth
    asked = client.replace(post_handshake_auth=True)
    connect(asked, server, server_sends=note).check()  # no keys that would be taken
    other = asked.replace(identity=certificates.leaf("client").identity)
    pair = connect(other, takes, server_sends=note).check()  # shows a certificate
    with pytest.raises(UsageError, match="raw public keys"):
        pair.server.request_certificate()
    assert named == [False, False, False]


def test_a_key_that_is_shared_goes_without_types(version: ProtocolVersion) -> None:
    """Whoever has an external key shows no certificate, and need not agree on a type of one."""
    shared = ExternalPsk(b"a key", bytes(32))
    client = ClientConfig(psks=[shared], raw_public_keys=[key(1).raw_public_key])
    server = ServerConfig(
        psk=lambda identity: shared,
        identity=certificates.leaf("localhost").identity,
        client_auth=ClientAuth.OPTIONAL,
        raw_public_keys=[key(2).raw_public_key],
    )
    pair = connect(client, server).check()
    assert pair.client.peer is None


# -- the application's word ------------------------------------------------------------------------


def hooked(config: Config, answer: Callable[[bytes], Any]) -> Config:
    return config.replace(raw_public_keys=(), verify_raw_public_key=answer)


def test_the_application_decides_on_a_key(
    raw_client: ClientConfig, raw_server: ServerConfig, identity: Identity
) -> None:
    asked: list[bytes] = []

    def take(data: bytes) -> bool:
        asked.append(data)
        return True

    client = hooked(raw_client, take)
    assert isinstance(client, ClientConfig)
    assert shown_by_server(connect(client, raw_server)) == RAW
    assert asked == [identity.raw_public_key]
    client = client.replace(verify_raw_public_key=lambda data: False)
    failed(connect(client, raw_server).client_error, Alert.CERTIFICATE_UNKNOWN)


def test_a_key_that_is_known_is_not_asked_for(
    raw_client: ClientConfig, raw_server: ServerConfig
) -> None:
    client = raw_client.replace(verify_raw_public_key=lambda data: 1 / 0)
    assert shown_by_server(connect(client, raw_server)) == RAW


def test_the_application_may_answer_with_a_coroutine(
    client: ClientConfig, server: ServerConfig, version: ProtocolVersion
) -> None:
    async def look_up(data: bytes) -> bool:
        return data == alone.raw_public_key

    alone = key(3)
    client = client.replace(identity=alone, max_version=version)
    server = server.replace(client_auth=ClientAuth.REQUIRED, verify_raw_public_key=look_up)
    assert server.has_hooks
    assert shown_by_client(connect(client, server)) == RAW
    failed(connect(client.replace(identity=key(4)), server).server_error, Alert.CERTIFICATE_UNKNOWN)


@pytest.mark.parametrize("answer", [None, 1, "yes", RuntimeError("the directory is gone")])
def test_a_look_up_that_makes_no_sense_ends_the_handshake(
    raw_client: ClientConfig, raw_server: ServerConfig, answer: Any
) -> None:
    def look_up(data: bytes) -> Any:
        if isinstance(answer, Exception):
            raise answer
        return answer

    pair = connect(hooked(raw_client, look_up), raw_server)  # type: ignore[arg-type]
    failed(pair.client_error, Alert.INTERNAL_ERROR)
    assert pair.client_error is not None
    assert isinstance(pair.client_error.__cause__, (RuntimeError, TypeError))


def test_the_application_has_the_last_word(
    raw_client: ClientConfig, raw_server: ServerConfig
) -> None:
    def refuse(peer: Any) -> None:
        raise CertificateError(Alert.ACCESS_DENIED, f"not {peer.raw_public_key!r}")

    pair = connect(raw_client.replace(verify=refuse), raw_server)
    failed(pair.client_error, Alert.ACCESS_DENIED)


# -- what is refused at once -----------------------------------------------------------------------


def test_what_is_no_key_is_refused_at_once() -> None:
    with pytest.raises(UsageError):
        ClientConfig(raw_public_keys=[b"not a key"])
    with pytest.raises(UsageError):
        Identity.from_raw_key(key(1).signer, b"not a key")
    with pytest.raises(UsageError):
        Identity.from_raw_key("a key")  # type: ignore[arg-type]


def test_a_pair_is_a_pair() -> None:
    own = certificates.key()
    assert Identity.from_raw_key(own, own.public_key()).chain == ()
    with pytest.raises(UsageError):
        Identity.from_raw_key(own, certificates.key(number=1).public_key())


def test_a_signer_does_not_tell_its_key() -> None:
    class Remote:
        def sign(self, data: bytes, scheme: SignatureScheme) -> bytes:
            return b""

    with pytest.raises(UsageError):
        Identity.from_raw_key(Remote())
    assert Identity.from_raw_key(Remote(), key(1).raw_public_key).schemes


def test_a_key_alone_says_what_it_is() -> None:
    alone = key(1)
    assert "ECDSA" in repr(alone)
    assert alone.names == ()
    with pytest.raises(UsageError):
        _ = alone.certificate


@pytest.mark.parametrize(
    "fields",
    [
        {"peer_certificate_types": [RAW]},
        {"peer_certificate_types": []},
        {"peer_certificate_types": [X509, X509]},
        {"peer_certificate_types": [7]},
        {"certificate_types": [1]},
        {"identities": [b"no identity"]},
    ],
)
def test_types_that_make_no_sense_are_refused(fields: dict[str, Any]) -> None:
    with pytest.raises(UsageError):
        ClientConfig(**fields)


def test_a_server_that_takes_certificates_needs_trust(identity: Identity) -> None:
    with pytest.raises(UsageError):
        ServerConfig(
            identity=identity,
            client_auth=ClientAuth.REQUIRED,
            raw_public_keys=[identity.raw_public_key],
            peer_certificate_types=[RAW, X509],
        )


@pytest.mark.parametrize("data", [b"", b"\0", b"\3\0\2", b"\1\2\0"])
def test_a_list_of_types_is_read_with_care(
    client: ClientConfig, server: ServerConfig, data: bytes
) -> None:
    for kind in (ExtensionType.SERVER_CERTIFICATE_TYPE, ExtensionType.CLIENT_CERTIFICATE_TYPE):
        change = on(ClientHello, lambda m, kind=kind: with_extensions(m, (kind, data)))  # type: ignore[misc]
        pair = connect(client, server, client_sends=change)
        assert isinstance(pair.server_error, DecodeError)
        assert pair.server_error.alert == Alert.DECODE_ERROR


@pytest.mark.parametrize("version", VERSIONS)
def test_unknown_types_are_passed_over(
    client: ClientConfig, server: ServerConfig, version: ProtocolVersion
) -> None:
    """RFC 7250, section 4.2: what the server does not know is no reason to fail."""
    alone = key(3)
    kind = ExtensionType.SERVER_CERTIFICATE_TYPE
    client = client.replace(raw_public_keys=[alone.raw_public_key], max_version=version)
    seen: list[Any] = []
    pair = connect(
        client,
        server.replace(identities=[alone]),
        client_sends=on(ClientHello, lambda m: with_extensions(m, (kind, b"\4\1\xff\2\0"))),
        server_sends=on(changed(version), noted(seen)),
    )
    assert seen  # the Finished does not fit, but the server has made its choice
    assert seen[0].extensions.raw(kind) == b"\2"
    assert pair.client_error is None or pair.server_error is not None
