"""Each extension in each message of a live handshake: duplicated, misplaced, malformed.

RFC 8446, section 4.2: what has no place in a message is illegal_parameter, what nobody asked for
is unsupported_extension, what stands twice is an error; section 6.2: what cannot be read is
decode_error. Whichever it is, it is never this side's own fault.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any

import pytest

from aiotls import ClientAuth, ClientConfig, ProtocolError, ServerConfig, TLSConnection
from aiotls.enums import Alert, ExtensionType, ProtocolVersion
from aiotls.wire import extensions as ext
from aiotls.wire.extensions import Context, Extensions
from aiotls.wire.messages import (
    Certificate,
    CertificateRequest,
    ClientHello,
    EncryptedExtensions,
    Message,
    NewSessionTicket,
    ServerHello,
)
from tests import certificates
from tests.engine.pair import Mutation, Pair, connect

REFUSALS = {Alert.ILLEGAL_PARAMETER, Alert.UNSUPPORTED_EXTENSION, Alert.DECODE_ERROR}
CH = Context.CLIENT_HELLO


@dataclass(frozen=True)
class Place:
    """A message that carries extensions, and how to have it sent."""

    message: type[Message]
    context: Context
    client_sends: bool = False
    tls12: bool = False
    server: dict[str, Any] = field(default_factory=dict)
    retry: bool | None = None
    """Of two messages of a kind, whether it is the HelloRetryRequest, or what follows it."""


MUTUAL = {"client_auth": ClientAuth.OPTIONAL, "trust": certificates.authority().trust}
RETRY = {"retry_cookie": True}
PLACES = {
    "client_hello": Place(ClientHello, CH, client_sends=True),
    "second_client_hello": Place(ClientHello, CH, client_sends=True, server=RETRY, retry=False),
    "client_hello_of_tls12": Place(ClientHello, CH, client_sends=True, tls12=True),
    "server_hello": Place(ServerHello, Context.SERVER_HELLO),
    "server_hello_of_tls12": Place(ServerHello, Context.SERVER_HELLO_12, tls12=True),
    "hello_retry_request": Place(
        ServerHello, Context.HELLO_RETRY_REQUEST, server=RETRY, retry=True
    ),
    "server_hello_behind_a_retry": Place(
        ServerHello, Context.SERVER_HELLO, server=RETRY, retry=False
    ),
    "encrypted_extensions": Place(EncryptedExtensions, Context.ENCRYPTED_EXTENSIONS),
    "certificate_request": Place(CertificateRequest, Context.CERTIFICATE_REQUEST, server=MUTUAL),
    "servers_certificate": Place(Certificate, Context.CERTIFICATE),
    "clients_certificate": Place(
        Certificate, Context.CERTIFICATE, client_sends=True, server=MUTUAL
    ),
}


class Odd(Extensions):
    """A block that is written as it must not be."""

    def __init__(self, pairs: list[tuple[int, bytes]]) -> None:
        super().__init__(dict(pairs))
        self.pairs = pairs

    def encode(self) -> bytes:
        data = b"".join(
            kind.to_bytes(2, "big") + len(body).to_bytes(2, "big") + body
            for kind, body in self.pairs
        )
        return len(data).to_bytes(2, "big") + data


def put(message: Any, kind: int, body: bytes, *, twice: bool = False) -> Any:
    """The message with one more extension, which takes the place of one that is there."""
    holder = message.entries[0] if isinstance(message, Certificate) else message
    pairs = [pair for pair in holder.extensions.items if pair[0] != kind]
    last = [pair for pair in pairs if pair[0] == ExtensionType.PRE_SHARED_KEY]
    others = [pair for pair in pairs if pair not in last]
    own = [(kind, body)] * (1 + twice)
    changed = replace(holder, extensions=Odd([*others, *own, *last]))
    if isinstance(message, Certificate):
        return replace(message, entries=(changed, *message.entries[1:]))
    return changed


def change(place: Place, alter: Callable[[Any], Any]) -> Mutation:
    """Changes the one message that is meant."""
    seen: list[Message] = []

    def mutation(message: Message) -> Any:
        if not isinstance(message, place.message):
            return message
        seen.append(message)
        if place.retry is not None and len(seen) != (1 if place.retry else 2):
            return message
        return alter(message)

    return mutation


def meddled(client: ClientConfig, server: ServerConfig, place: Place, mutation: Mutation) -> Pair:
    """A handshake in which the side that sends the message is hostile."""
    if place.client_sends:
        return connect(client, server, client_sends=mutation)
    return connect(client, server, server_sends=mutation)


def tampered(
    client: ClientConfig, server: ServerConfig, place: Place, alter: Callable[[Any], Any]
) -> ProtocolError:
    """The error that the receiver found."""
    client = client.replace(
        identity=certificates.leaf("client").identity,
        max_version=ProtocolVersion.TLSv1_2 if place.tls12 else ProtocolVersion.TLSv1_3,
    )
    pair = meddled(client, server.replace(**place.server), place, change(place, alter))
    error = pair.server_error if place.client_sends else pair.client_error
    assert isinstance(error, ProtocolError), f"it was accepted: {error!r}"
    told = pair.client_error if place.client_sends else pair.server_error
    assert told is not None
    return error


in_each_message = pytest.mark.parametrize("place", PLACES.values(), ids=PLACES)


@in_each_message
def test_no_extension_stands_twice(
    client: ClientConfig, server: ServerConfig, place: Place
) -> None:
    for kind in (ExtensionType.SERVER_NAME, 0x5A5A, 0x1234):
        error = tampered(client, server, place, partial(put, kind=kind, body=b"", twice=True))
        assert error.alert == Alert.ILLEGAL_PARAMETER
        assert error.reason == "DUPLICATE_EXTENSION"


@in_each_message
def test_what_has_no_place_in_a_message_is_refused(
    client: ClientConfig, server: ServerConfig, place: Place
) -> None:
    allowed = {row.type for row in ext.EXTENSIONS if row.contexts & place.context}
    misplaced = [kind for kind in ExtensionType if kind in ext.KNOWN_TYPES and kind not in allowed]
    if place.context is Context.SERVER_HELLO_12:  # it would be a ServerHello of TLS 1.3
        misplaced.remove(ExtensionType.SUPPORTED_VERSIONS)
    assert misplaced  # one for a ClientHello, which has nearly all of them
    for kind in misplaced:
        error = tampered(client, server, place, partial(put, kind=kind, body=b""))
        assert error.alert in (Alert.ILLEGAL_PARAMETER, Alert.UNSUPPORTED_EXTENSION), error


@in_each_message
def test_what_cannot_be_read_is_refused(
    client: ClientConfig, server: ServerConfig, place: Place
) -> None:
    """Cut short, and followed by a byte too many; the rest of the table is for its own tests."""
    cases = 0
    for row in ext.EXTENSIONS:
        if not row.contexts & place.context:
            continue
        for body in (b"\xff", b"\xff\xff\xff\xff\xff", b"\0\x01\0\xff"):
            try:
                row.decode(body)
            except ProtocolError:
                pass
            else:
                continue  # that is one that can be read
            error = tampered(client, server, place, partial(put, kind=row.type, body=body))
            assert error.alert in REFUSALS, (row.name, body, error)
            cases += 1
    assert cases >= 3


@pytest.mark.parametrize(
    "place",
    [p for p in PLACES.values() if not p.context & (CH | Context.CERTIFICATE_REQUEST)],
    ids=lambda place: place.context.name,
)
def test_what_nobody_asked_for_is_refused(
    client: ClientConfig, server: ServerConfig, place: Place
) -> None:
    """RFC 8446, section 4.2: unsupported_extension; requests may carry what is unknown."""
    for kind in (0x1234, 0xFFFE):
        error = tampered(client, server, place, partial(put, kind=kind, body=b""))
        assert error.alert == Alert.UNSUPPORTED_EXTENSION


@pytest.mark.parametrize("kind", [0x1234, 0x5A5A])
@pytest.mark.parametrize("name", ["client_hello", "client_hello_of_tls12", "certificate_request"])
def test_what_is_unknown_in_a_request_is_ignored(
    client: ClientConfig, server: ServerConfig, name: str, kind: int
) -> None:
    """RFC 8446, sections 4.2 and 4.3.2. It is not refused, and the Finished tells the rest."""
    place = PLACES[name]
    client = client.replace(
        max_version=ProtocolVersion.TLSv1_2 if place.tls12 else ProtocolVersion.TLSv1_3
    )
    mutation = change(place, lambda m: put(m, kind, b"whatever"))
    meddled(client, server.replace(**place.server), place, mutation).check()


# -- a ticket, which comes after the handshake -----------------------------------------------------


@pytest.mark.parametrize(
    ("pairs", "alert"),
    [
        ([(0x1234, b""), (0x1234, b"")], Alert.ILLEGAL_PARAMETER),
        ([(ExtensionType.KEY_SHARE, b"")], Alert.ILLEGAL_PARAMETER),
        ([(ExtensionType.SERVER_NAME, b"")], Alert.ILLEGAL_PARAMETER),
        ([(ExtensionType.EARLY_DATA, b"\0")], Alert.DECODE_ERROR),
        ([(ExtensionType.EARLY_DATA, b"\0\0\0\0\0")], Alert.DECODE_ERROR),
        ([(0x1234, b"")], None),
        ([(0x5A5A, b"")], None),
    ],
)
def test_a_tickets_extensions(
    client: ClientConfig,
    server: ServerConfig,
    pairs: list[tuple[int, bytes]],
    alert: Alert | None,
) -> None:
    """RFC 8446, section 4.6.1: clients ignore what they do not know."""
    pair = connect(client, server).check()
    message = NewSessionTicket(60, 0, b"\xff", b"ticket", Odd(pairs))
    pair.server._writer.write(22, message.encode())
    pair.server.write(b"data")
    pair.pump()
    if alert is None:
        assert pair.check().client.read() == b"data"
    else:
        assert isinstance(pair.client_error, ProtocolError)
        assert pair.client_error.alert == alert
        assert pair.client.read() == b""


# -- after the handshake ---------------------------------------------------------------------------


def late(client: ClientConfig, server: ServerConfig, alter: Callable[[Any], Any]) -> Pair:
    """A certificate is asked for after the handshake, by another request than it should be."""
    client = client.replace(identity=certificates.leaf("client").identity, post_handshake_auth=True)
    trust = certificates.authority().trust
    pair = Pair(TLSConnection(client, "localhost"), TLSConnection(server.replace(trust=trust)))
    pair.pump()
    pair.check()
    request = alter(
        CertificateRequest(
            b"context",
            Extensions.of((ext.SIGNATURE_ALGORITHMS, server.signature_schemes)),
        )
    )
    pair.server._writer.write(22, request.encode())
    pair.pump()
    return pair


@pytest.mark.parametrize(
    ("alter", "alert"),
    [
        (lambda m: replace(m, context=b""), Alert.ILLEGAL_PARAMETER),
        (lambda m: replace(m, extensions=Extensions()), Alert.MISSING_EXTENSION),
        (lambda m: put(m, 0x1234, b"", twice=True), Alert.ILLEGAL_PARAMETER),
        (lambda m: put(m, ExtensionType.KEY_SHARE, b""), Alert.ILLEGAL_PARAMETER),
        (lambda m: put(m, ExtensionType.SIGNATURE_ALGORITHMS, b"\0"), Alert.DECODE_ERROR),
        (lambda m: put(m, ExtensionType.SIGNATURE_ALGORITHMS, b"\0\0"), Alert.DECODE_ERROR),
        (lambda m: put(m, ExtensionType.CERTIFICATE_AUTHORITIES, b"\0\1\0"), Alert.DECODE_ERROR),
    ],
)
def test_a_late_request_for_a_certificate(
    client: ClientConfig, server: ServerConfig, alter: Callable[[Any], Any], alert: Alert
) -> None:
    """RFC 8446, sections 4.3.2 and 4.6.2."""
    pair = late(client, server, alter)
    assert isinstance(pair.client_error, ProtocolError)
    assert pair.client_error.alert == alert


def test_no_alter_is_no_error(client: ClientConfig, server: ServerConfig) -> None:
    """The tests above fail for what they change alone."""
    for place in PLACES.values():
        version = ProtocolVersion.TLSv1_2 if place.tls12 else ProtocolVersion.TLSv1_3
        met: list[Any] = []

        def look(message: Any, met: list[Any] = met) -> Any:
            met.append(message)
            return message

        meddled(
            client.replace(
                max_version=version,
                identity=certificates.leaf("client").identity,
                session_cache=None,
            ),
            server.replace(**place.server),
            place,
            change(place, look),
        ).check()
        assert met
