"""What RFC 9849 says each side MUST refuse, one test for each."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from aiotls import ClientConfig, DecodeError, ECHKeys, ProtocolError, ServerConfig
from aiotls.crypto import hpke
from aiotls.enums import Alert, ExtensionType, ProtocolVersion
from aiotls.errors import AlertReceived
from aiotls.handshake import ech_client, ech_server
from aiotls.wire.codec import Reader
from aiotls.wire.extensions import Extensions
from aiotls.wire.messages import ClientHello, EncryptedExtensions, Message, ServerHello
from tests.conftest import identity
from tests.engine.pair import Pair, connect

ECH = int(ExtensionType.ENCRYPTED_CLIENT_HELLO)
OUTER_EXTENSIONS = int(ExtensionType.ECH_OUTER_EXTENSIONS)
Rows = list[tuple[int, bytes]]


@pytest.fixture(scope="module")
def keys() -> ECHKeys:
    return ECHKeys.generate("front.example")


@pytest.fixture
def hiding(client: ClientConfig, keys: ECHKeys) -> ClientConfig:
    return client.replace(ech=keys.config_list, groups=["x25519", "secp256r1"])


@pytest.fixture
def opening(server: ServerConfig, keys: ECHKeys) -> ServerConfig:
    identities = [identity("localhost"), identity("front.example")]
    return server.replace(identities=identities, ech_keys=keys)


def refused(pair: Pair, alert: Alert) -> ProtocolError:
    error = pair.server_error
    assert isinstance(error, ProtocolError), error
    assert error.alert is alert, error
    assert error.reason != "INTERNAL_ERROR"
    return error


def seal_otherwise(
    monkeypatch: pytest.MonkeyPatch,
    change: Callable[[ClientHello, bytes], tuple[ClientHello, bytes]],
) -> None:
    """Lets a client seal another EncodedClientHelloInner than it should."""
    encode = ech_client.encode_inner

    def hostile(inner: ClientHello, maximum_name_length: int) -> bytes:
        reader = Reader(encode(inner, maximum_name_length))
        hello = ClientHello.read(reader)
        hello, padding = change(hello, reader.rest())
        return hello.encode()[4:] + padding

    monkeypatch.setattr(ech_client, "encode_inner", hostile)


def with_rows(hello: ClientHello, rows: Rows) -> ClientHello:
    return replace(hello, extensions=Extensions.build(rows))


def references(kinds: list[int]) -> tuple[int, bytes]:
    body = b"".join(kind.to_bytes(2, "big") for kind in kinds)
    return OUTER_EXTENSIONS, bytes([len(body)]) + body


def referred(hello: ClientHello) -> list[int]:
    reader = Reader(hello.extensions.raw(OUTER_EXTENSIONS) or b"")
    return list(reader.u16_list(1))


# -- the inner ClientHello -------------------------------------------------------------------------


@pytest.mark.parametrize(
    "change",
    [
        pytest.param(lambda kinds: [*kinds, ECH], id="to encrypted_client_hello"),
        pytest.param(lambda kinds: kinds[::-1], id="in another order"),
        pytest.param(lambda kinds: [*kinds, 0x1234], id="to what is not there"),
        pytest.param(lambda kinds: [kinds[0], *kinds], id="twice"),
        pytest.param(lambda kinds: [*kinds, OUTER_EXTENSIONS], id="to a list of references"),
    ],
)
def test_a_reference_that_must_not_be(
    monkeypatch: pytest.MonkeyPatch,
    hiding: ClientConfig,
    opening: ServerConfig,
    change: Callable[[list[int]], list[int]],
) -> None:
    """Section 5.1: illegal_parameter."""

    def hostile(hello: ClientHello, padding: bytes) -> tuple[ClientHello, bytes]:
        rows = [
            references(change(referred(hello))) if kind == OUTER_EXTENSIONS else (kind, body)
            for kind, body in hello.extensions.items
        ]
        return with_rows(hello, rows), padding

    seal_otherwise(monkeypatch, hostile)
    refused(connect(hiding, opening), Alert.ILLEGAL_PARAMETER)


def test_a_reference_to_what_the_inner_hello_has_itself(
    monkeypatch: pytest.MonkeyPatch, hiding: ClientConfig, opening: ServerConfig
) -> None:
    def hostile(hello: ClientHello, padding: bytes) -> tuple[ClientHello, bytes]:
        rows = list(hello.extensions.items)
        return with_rows(hello, [(referred(hello)[0], b""), *rows]), padding

    seal_otherwise(monkeypatch, hostile)
    error = refused(connect(hiding, opening), Alert.ILLEGAL_PARAMETER)
    assert error.reason == "DUPLICATE_EXTENSION"


def test_an_empty_list_of_references(
    monkeypatch: pytest.MonkeyPatch, hiding: ClientConfig, opening: ServerConfig
) -> None:
    """Section 5.1: ``OuterExtensions<2..254>``."""

    def hostile(hello: ClientHello, padding: bytes) -> tuple[ClientHello, bytes]:
        rows = [
            (kind, b"\0" if kind == OUTER_EXTENSIONS else body)
            for kind, body in hello.extensions.items
        ]
        return with_rows(hello, rows), padding

    seal_otherwise(monkeypatch, hostile)
    refused(connect(hiding, opening), Alert.DECODE_ERROR)


def test_padding_that_is_not_zero(
    monkeypatch: pytest.MonkeyPatch, hiding: ClientConfig, opening: ServerConfig
) -> None:
    """Section 5.1: illegal_parameter."""
    seal_otherwise(monkeypatch, lambda hello, padding: (hello, padding + b"\x01"))
    refused(connect(hiding, opening), Alert.ILLEGAL_PARAMETER)


def test_a_session_id_inside(
    monkeypatch: pytest.MonkeyPatch, hiding: ClientConfig, opening: ServerConfig
) -> None:
    """Section 5.1: legacy_session_id is empty."""
    seal_otherwise(
        monkeypatch, lambda hello, padding: (replace(hello, session_id=bytes(32)), padding)
    )
    refused(connect(hiding, opening), Alert.ILLEGAL_PARAMETER)


@pytest.mark.parametrize("value", [None, b"\0", b"\x01\x00", b""])
def test_an_inner_hello_that_does_not_say_that_it_is_one(
    monkeypatch: pytest.MonkeyPatch,
    hiding: ClientConfig,
    opening: ServerConfig,
    value: bytes | None,
) -> None:
    """Section 7.1: illegal_parameter."""

    def hostile(hello: ClientHello, padding: bytes) -> tuple[ClientHello, bytes]:
        rows = [pair for pair in hello.extensions.items if pair[0] != ECH]
        return with_rows(hello, rows if value is None else [*rows, (ECH, value)]), padding

    seal_otherwise(monkeypatch, hostile)
    refused(connect(hiding, opening), Alert.ILLEGAL_PARAMETER)


@pytest.mark.parametrize("versions", [None, b"\x04\x03\x04\x03\x03", b"\x02\x03\x03"])
def test_an_inner_hello_that_offers_an_older_version(
    monkeypatch: pytest.MonkeyPatch,
    hiding: ClientConfig,
    opening: ServerConfig,
    versions: bytes | None,
) -> None:
    """Section 7.1: illegal_parameter."""
    kind = int(ExtensionType.SUPPORTED_VERSIONS)

    def hostile(hello: ClientHello, padding: bytes) -> tuple[ClientHello, bytes]:
        rows = [pair for pair in hello.extensions.items if pair[0] != kind]
        return with_rows(hello, rows if versions is None else [*rows, (kind, versions)]), padding

    seal_otherwise(monkeypatch, hostile)
    refused(connect(hiding, opening), Alert.ILLEGAL_PARAMETER)


def test_an_inner_hello_that_is_none(
    monkeypatch: pytest.MonkeyPatch, hiding: ClientConfig, opening: ServerConfig
) -> None:
    monkeypatch.setattr(ech_client, "encode_inner", lambda inner, length: b"\x03\x03" + bytes(20))
    refused(connect(hiding, opening), Alert.DECODE_ERROR)


def test_references_are_followed_in_one_pass() -> None:
    """Section 10.12.4: long lists on both sides do not multiply."""
    looked_at = 0

    class Counting(tuple[Any, ...]):
        def __iter__(self) -> Any:
            nonlocal looked_at
            for item in tuple.__iter__(self):
                looked_at += 1
                yield item

    kinds = list(range(0x4000, 0x4000 + 120))
    rows = Counting((kind, b"") for kind in range(0x3000, 0x4000 + 120))

    class Outer:
        class extensions:
            items = rows

    found = ech_server.referred(references(kinds)[1], Outer)  # type: ignore[arg-type]
    assert [kind for kind, _ in found] == kinds
    assert looked_at <= len(rows)


def test_a_reference_to_the_outer_hellos_own_references() -> None:
    """Section 5.1: ech_outer_extensions is never among what it refers to."""
    rows: Rows = [(0x1234, b""), (OUTER_EXTENSIONS, b"\x02\x12\x34")]
    outer, inner = ClientHelloLike(rows), ClientHelloLike([references([0x1234, OUTER_EXTENSIONS])])
    with pytest.raises(ProtocolError) as caught:
        ech_server.expand(inner, outer)  # type: ignore[arg-type]
    assert caught.value.alert == Alert.ILLEGAL_PARAMETER


class ClientHelloLike:
    def __init__(self, rows: Rows) -> None:
        self.extensions = Extensions.build(rows)


# -- the outer ClientHello -------------------------------------------------------------------------


def change_outer(rows: Callable[[Rows], Rows], number: int = 1) -> Callable[[Message], Message]:
    """Changes the extensions of the *number*-th ClientHello as it leaves."""
    count = 0

    def change(message: Message) -> Message:
        nonlocal count
        if isinstance(message, ClientHello):
            count += 1
            if count == number:
                return with_rows(message, rows(list(message.extensions.items)))
        return message

    return change


def with_ech(change: Callable[[bytes], bytes | None]) -> Callable[[Rows], Rows]:
    def rows(rows: Rows) -> Rows:
        result: Rows = []
        for kind, body in rows:
            value = change(body) if kind == ECH else body
            if value is not None:
                result.append((kind, value))
        return result

    return rows


@pytest.mark.parametrize(
    ("value", "alert"),
    [
        (b"", Alert.DECODE_ERROR),
        (b"\x01", Alert.ILLEGAL_PARAMETER),
        (b"\x02", Alert.ILLEGAL_PARAMETER),
        (b"\x00\x00\x01", Alert.DECODE_ERROR),
        (b"\x00\x00\x01\x00\x01\x07\x00\x00\x00\x00", Alert.DECODE_ERROR),
        (b"\x00\x00\x01\x00\x01\x07\x00\x00\x00\x01aa", Alert.DECODE_ERROR),
        (b"\x01\x00", Alert.DECODE_ERROR),
    ],
)
def test_an_extension_that_is_malformed(
    hiding: ClientConfig, opening: ServerConfig, value: bytes, alert: Alert
) -> None:
    """Section 5: neither an outer nor, in the clear, an inner one."""
    change = change_outer(with_ech(lambda body: value))
    refused(connect(hiding, opening, client_sends=change), alert)


def test_a_change_to_the_outer_hello_shows(hiding: ClientConfig, opening: ServerConfig) -> None:
    """Section 5.2: it is the associated data, so this is a ClientHello for no key."""
    change = change_outer(lambda rows: [*rows, (0x7777, b"")])
    pair = connect(hiding, opening, client_sends=change)
    assert not pair.client.handshake_complete
    assert pair.client_error is not None


def retrying(opening: ServerConfig) -> ServerConfig:
    return opening.replace(groups=["secp256r1"])


@pytest.mark.parametrize(
    ("change", "alert"),
    [
        pytest.param(lambda body: None, Alert.MISSING_EXTENSION, id="gone"),
        pytest.param(lambda body: b"\x01", Alert.ILLEGAL_PARAMETER, id="inner"),
        pytest.param(
            lambda body: body[:6] + b"\x00\x01a" + body[8:], Alert.ILLEGAL_PARAMETER, id="key"
        ),
        pytest.param(
            lambda body: body[:5] + bytes([body[5] ^ 1]) + body[6:],
            Alert.ILLEGAL_PARAMETER,
            id="identifier",
        ),
        pytest.param(
            lambda body: body[:4] + b"\x03" + body[5:], Alert.ILLEGAL_PARAMETER, id="suite"
        ),
        pytest.param(
            lambda body: body[:-1] + bytes([body[-1] ^ 1]), Alert.DECRYPT_ERROR, id="payload"
        ),
    ],
)
def test_a_second_hello_that_does_not_go_on(
    hiding: ClientConfig,
    opening: ServerConfig,
    change: Callable[[bytes], bytes | None],
    alert: Alert,
) -> None:
    """Section 7.1.1."""
    hostile = change_outer(with_ech(change), 2)
    refused(connect(hiding, retrying(opening), client_sends=hostile), alert)


@pytest.mark.parametrize("algorithms", [b"\x00\x01\x99\x99", b"\x99\x99\x00\x01"])
def test_algorithms_that_nobody_knows(
    client: ClientConfig, opening: ServerConfig, keys: ECHKeys, algorithms: bytes
) -> None:
    """Section 7.1: a hello for a suite that is not in the config cannot be decrypted, no more."""
    number = bytes([keys.keys[0].config.config_id])
    enc = hpke.public_bytes(hpke.generate_key_pair(hpke.Kem.DHKEM_X25519_HKDF_SHA256))
    value = b"\x00" + algorithms + number + b"\x00\x20" + enc + b"\x00\x20" + bytes(32)

    def greased(message: Message) -> Message:
        if isinstance(message, ClientHello):
            return with_rows(message, [(ECH, value), *message.extensions.items])
        return message

    pair = connect(client.replace(session_cache=None), opening, client_sends=greased)
    assert pair.server_error is None or isinstance(pair.server_error, AlertReceived)
    answer = pair.client_error  # the retry configs, for which this client had not asked
    assert isinstance(answer, ProtocolError)
    assert answer.alert is Alert.UNSUPPORTED_EXTENSION


@pytest.mark.parametrize(
    ("second", "alert"),
    [
        (b"\x01", None),
        (b"\x00" + bytes(5) + b"\x00\x00" + b"\x00\x01x", Alert.ILLEGAL_PARAMETER),
        (None, Alert.MISSING_EXTENSION),
    ],
    ids=["inner", "outer", "gone"],
)
def test_the_second_hello_behind_another_server(
    client: ClientConfig, server: ServerConfig, second: bytes | None, alert: Alert | None
) -> None:
    """Section 7.2: a backend server gets the inner ClientHellos from one that has decrypted."""
    values = iter([b"\x01", second])

    def inner(message: Message) -> Message:
        if isinstance(message, ClientHello):
            value = next(values)
            if value is not None:
                return with_rows(message, [(ECH, value), *message.extensions.items])
        return message

    def unconfirmed(message: Message) -> Message:
        if isinstance(message, ServerHello) and message.is_retry:
            return replace(message, extensions=message.extensions.without(ECH))
        return message

    pair = connect(
        client.replace(session_cache=None, groups=["x25519", "secp256r1"], key_shares=["x25519"]),
        server.replace(groups=["secp256r1"]),
        client_sends=inner,
        server_sends=unconfirmed,
    )
    if alert is None:
        pair.check()
    else:
        refused(pair, alert)


# -- what a server answers -------------------------------------------------------------------------


def of_client(pair: Pair, alert: Alert) -> ProtocolError:
    error = pair.client_error
    assert isinstance(error, ProtocolError), error
    assert error.alert is alert, error
    return error


def test_a_confirmation_in_the_retry_and_none_after_it(
    monkeypatch: pytest.MonkeyPatch, hiding: ClientConfig, opening: ServerConfig
) -> None:
    """Section 6.1.5: illegal_parameter."""
    monkeypatch.setattr(ech_server, "confirm", lambda channel, opened, hello: hello)
    error = of_client(connect(hiding, retrying(opening)), Alert.ILLEGAL_PARAMETER)
    assert error.reason == "INCONSISTENT_ECH_NEGOTIATION"


@pytest.mark.parametrize("size", [0, 7, 9])
def test_a_confirmation_of_another_length(
    hiding: ClientConfig, opening: ServerConfig, size: int
) -> None:
    """Section 5: eight bytes in a HelloRetryRequest."""

    def hostile(message: Message) -> Message:
        if isinstance(message, ServerHello) and message.is_retry:
            rows = [pair for pair in message.extensions.items if pair[0] != ECH]
            return replace(message, extensions=Extensions.build([*rows, (ECH, bytes(size))]))
        return message

    pair = connect(hiding, retrying(opening), server_sends=hostile)
    assert isinstance(of_client(pair, Alert.DECODE_ERROR), DecodeError)


def test_retry_configs_from_a_server_that_took_the_hello(
    hiding: ClientConfig, opening: ServerConfig, keys: ECHKeys
) -> None:
    """Section 5: unsupported_extension."""

    def hostile(message: Message) -> Message:
        if isinstance(message, EncryptedExtensions):
            rows = [*message.extensions.items, (ECH, keys.config_list)]
            return EncryptedExtensions(Extensions.build(rows))
        return message

    of_client(connect(hiding, opening, server_sends=hostile), Alert.UNSUPPORTED_EXTENSION)


@pytest.mark.parametrize("value", [b"", b"\x00", b"\x00\x00", b"\x00\x05\xfe\x0d\x00\x02a"])
def test_retry_configs_that_are_malformed(
    hiding: ClientConfig, opening: ServerConfig, value: bytes
) -> None:
    """Section 6.1.6: decode_error; for a client with GREASE as well (section 6.2.1)."""

    def hostile(message: Message) -> Message:
        if isinstance(message, EncryptedExtensions):
            rows = [pair for pair in message.extensions.items if pair[0] != ECH]
            return EncryptedExtensions(Extensions.build([*rows, (ECH, value)]))
        return message

    other = opening.replace(ech_keys=ECHKeys.generate("front.example"))
    for config in (hiding, hiding.replace(ech=None, grease_ech=True)):
        of_client(connect(config, other, server_sends=hostile), Alert.DECODE_ERROR)


def test_an_answer_that_nobody_has_asked_for(
    client: ClientConfig, opening: ServerConfig, keys: ECHKeys
) -> None:
    """RFC 8446, section 4.2: unsupported_extension."""

    def hostile(message: Message) -> Message:
        if isinstance(message, EncryptedExtensions):
            return EncryptedExtensions(
                Extensions.build([*message.extensions.items, (ECH, keys.config_list)])
            )
        return message

    of_client(connect(client, opening, server_sends=hostile), Alert.UNSUPPORTED_EXTENSION)


def test_a_confirmation_by_one_who_has_not_the_key(
    monkeypatch: pytest.MonkeyPatch, hiding: ClientConfig, opening: ServerConfig
) -> None:
    """Section 7.2: eight bytes of chance are no confirmation, and the public name is asked for."""
    other = opening.replace(
        ech_keys=ECHKeys.generate("front.example"), identities=[identity("localhost")]
    )
    pair = connect(hiding, other)
    error = of_client(pair, Alert.BAD_CERTIFICATE)
    assert "front.example" in str(error)


def test_a_downgrade_to_tls12_is_seen(hiding: ClientConfig, opening: ServerConfig) -> None:
    """A ServerHello of TLS 1.2 from a server that could do more carries the sentinel."""

    def strip(rows: Rows) -> Rows:
        kind = int(ExtensionType.SUPPORTED_VERSIONS)
        return [pair for pair in rows if pair[0] not in (kind, ECH)]

    pair = connect(hiding, opening, client_sends=change_outer(strip))
    of_client(pair, Alert.ILLEGAL_PARAMETER)
    assert ProtocolVersion.TLSv1_2 in hiding.versions
