"""The server's half of Encrypted Client Hello, in shared mode: RFC 9849, section 7."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from ..config import ServerConfig
from ..crypto import hpke
from ..crypto.hpke import HpkeError, HpkeSuite, Receiver
from ..crypto.suites import Suite
from ..ech import ECHKey, ECHKeys
from ..enums import Alert, ExtensionType, ProtocolVersion
from ..errors import ProtocolError
from ..wire import extensions as ext
from ..wire.codec import Reader
from ..wire.extensions import Extensions, Rows
from ..wire.messages import ClientHello, ServerHello
from .ech import (
    CONFIRMATION,
    ECH,
    INNER_VALUE,
    Sealed,
    confirmation,
    retry_confirmation,
    with_value,
)

if TYPE_CHECKING:
    from .channel import Channel


@dataclass(frozen=True, slots=True)
class Opened:
    """What a server has found in a client's encrypted_client_hello."""

    inner: ClientHello | None = None
    """The first of the client's own ClientHellos; None where it could not be read."""

    keys: ECHKeys | None = None
    sealed: Sealed | None = None
    context: Receiver | None = field(default=None, repr=False)
    """What opens the second one; None on a server that was given the inner one by another."""


def was_opened(opened: Opened | None) -> bool:
    """Whether this server has decrypted the ClientHello; behind another it cannot know."""
    return opened is not None and opened.context is not None


def open_hello(channel: Channel, hello: ClientHello) -> tuple[ClientHello, Opened | None]:
    """The ClientHello that counts, and what there is to say about it (section 7.1).

    A server that has no keys takes an inner ClientHello as it is: then it stands behind another
    server that has decrypted it (section 7.2).
    """
    value = hello.extensions.raw(ECH)
    config = channel.config
    keys = config.ech_keys if isinstance(config, ServerConfig) else None
    if value is None:
        return hello, None
    if keys is None:
        if value[:1] != INNER_VALUE:
            return hello, None  # for a server of another kind, or GREASE
        Sealed.parse(value)
        return hello, Opened(hello)
    sealed = Sealed.parse(value)
    if sealed is None:  # section 7: it should never have left the client like this
        raise ProtocolError(
            Alert.ILLEGAL_PARAMETER, "the client sent its inner ClientHello in the clear"
        )
    aad = associated_data(hello, sealed)
    for key in keys.candidates(sealed.config_id):
        opened = try_key(key, sealed, aad)
        if opened is not None:
            context, plaintext = opened
            inner = read_inner(plaintext, hello)
            channel.transcript.substitute(inner.encode())
            return inner, Opened(inner, keys, sealed, context)
    return hello, Opened(keys=keys)


def try_key(key: ECHKey, sealed: Sealed, aad: bytes) -> tuple[Receiver, bytes] | None:
    """The HPKE context and the plaintext, if it was sealed for this key."""
    suite = HpkeSuite(key.config.kem, sealed.kdf, sealed.aead)
    if suite not in key.config.suites or not suite.supported:
        return None
    try:
        info = b"tls ech\0" + key.config.encoded
        context = hpke.setup_receiver(suite, sealed.enc, key.private_key, info)
        return context, context.open(sealed.payload, aad)
    except HpkeError:
        return None


def associated_data(hello: ClientHello, sealed: Sealed) -> bytes:
    """ClientHelloOuterAAD (section 5.2): the outer ClientHello with zeros for the payload."""
    blank = replace(sealed, payload=bytes(len(sealed.payload)))
    return with_value(hello, blank.encode()).encode()[4:]


def open_second(channel: Channel, opened: Opened | None, hello: ClientHello) -> ClientHello:
    """The client's second ClientHello, from the same HPKE context (section 7.1.1)."""
    if opened is None or opened.inner is None:
        return hello
    value = hello.extensions.raw(ECH)
    if value is None:
        raise ProtocolError(
            Alert.MISSING_EXTENSION, "the client's second ClientHello is not encrypted any more"
        )
    sealed = Sealed.parse(value)
    first = opened.sealed
    if opened.context is None or first is None:  # behind another server
        if sealed is not None:
            raise ProtocolError(
                Alert.ILLEGAL_PARAMETER, "the second ClientHello is an outer one, the first not"
            )
        return hello
    if sealed is None or sealed.enc:
        raise ProtocolError(
            Alert.ILLEGAL_PARAMETER,
            "the client's second encrypted_client_hello "
            + ("has a key of its own" if sealed is not None else "is not encrypted"),
        )
    if (sealed.kdf, sealed.aead, sealed.config_id) != (first.kdf, first.aead, first.config_id):
        raise ProtocolError(
            Alert.ILLEGAL_PARAMETER,
            "the client's second encrypted_client_hello is for another key or suite",
        )
    try:
        plaintext = opened.context.open(sealed.payload, associated_data(hello, sealed))
    except HpkeError as error:
        raise ProtocolError(
            Alert.DECRYPT_ERROR,
            "the client's second encrypted ClientHello does not decrypt",
            reason="DECRYPTION_FAILED",
        ) from error
    inner = read_inner(plaintext, hello)
    channel.transcript.substitute(inner.encode())
    return inner


def read_inner(plaintext: bytes, outer: ClientHello) -> ClientHello:
    """ClientHelloInner from its encoding (section 5.1), held against section 7.1."""
    reader = Reader(plaintext)
    encoded = ClientHello.read(reader)
    if any(reader.rest()):
        raise ProtocolError(
            Alert.ILLEGAL_PARAMETER,
            "the padding of the encrypted ClientHello is not zero",
            reason="DECODE_ERROR",
        )
    if encoded.session_id:
        raise ProtocolError(
            Alert.ILLEGAL_PARAMETER, "the encrypted ClientHello has a session id of its own"
        )
    hello = replace(encoded, session_id=outer.session_id, extensions=expand(encoded, outer))
    inner = ClientHello.parse(hello.encode()[4:])
    if inner.extensions.raw(ECH) != INNER_VALUE:
        raise ProtocolError(
            Alert.ILLEGAL_PARAMETER,
            "the encrypted ClientHello has no well-formed inner encrypted_client_hello",
            reason="INVALID_CLIENT_HELLO_INNER",
        )
    versions = inner.extensions.get(ext.SUPPORTED_VERSIONS)
    if versions is None or any(version < ProtocolVersion.TLSv1_3 for version in versions):
        raise ProtocolError(
            Alert.ILLEGAL_PARAMETER,
            "the encrypted ClientHello offers TLS 1.2 or below",
            reason="INVALID_CLIENT_HELLO_INNER",
        )
    return inner


def expand(encoded: ClientHello, outer: ClientHello) -> Extensions:
    """The extensions with those of the outer ClientHello that are referred to.

    In one pass over each list: a client must not be able to make this expensive (section 10.12.4).
    """
    bodies: dict[int, bytes] = {}
    for kind, body in encoded.extensions.items:
        taken = [(kind, body)]
        if kind == ExtensionType.ECH_OUTER_EXTENSIONS:
            taken = referred(body, outer)
        for pair in taken:
            if pair[0] in bodies:
                raise ProtocolError(
                    Alert.ILLEGAL_PARAMETER,
                    f"the encrypted ClientHello has {ExtensionType.label(pair[0]).lower()} twice",
                    reason="DUPLICATE_EXTENSION",
                )
            bodies[pair[0]] = pair[1]
    if ExtensionType.ECH_OUTER_EXTENSIONS in bodies:
        raise bad_reference("to a list of references")
    return Extensions(bodies)


def referred(body: bytes, outer: ClientHello) -> list[tuple[int, bytes]]:
    """What OuterExtensions stands for, if it may (section 5.1)."""
    reader = Reader(body)
    kinds = reader.u16_list(1)
    reader.finish()
    rest = iter(outer.extensions.items)
    found = []
    for kind in kinds:
        if kind == ECH:
            raise bad_reference("to encrypted_client_hello itself")
        for pair in rest:  # which goes on where the last one was found: so the order is the same
            if pair[0] == kind:
                found.append(pair)
                break
        else:
            raise bad_reference("to what the outer one has not, not there, or not twice")
    return found


def bad_reference(what: str) -> ProtocolError:
    """The error for OuterExtensions that must not be."""
    return ProtocolError(
        Alert.ILLEGAL_PARAMETER,
        f"the encrypted ClientHello refers {what}",
        reason="INVALID_OUTER_EXTENSION",
    )


def confirm_retry(
    channel: Channel, suite: Suite, opened: Opened | None, hello: ServerHello
) -> ServerHello:
    """The HelloRetryRequest, with the word that it is for the inner ClientHello (7.2.1)."""
    if opened is None or opened.inner is None:
        return hello
    blank = replace(
        hello, extensions=Extensions.build([*hello.extensions.items, (ECH, bytes(CONFIRMATION))])
    )
    value = retry_confirmation(channel.transcript, suite, opened.inner.random, blank)
    return replace(hello, extensions=Extensions.build([*hello.extensions.items, (ECH, value)]))


def confirm(channel: Channel, opened: Opened | None, hello: ServerHello) -> ServerHello:
    """The ServerHello, its random ending in the word that it is for the inner one (7.2)."""
    if opened is None or opened.inner is None:
        return hello
    value = confirmation(channel.transcript, channel.suite, opened.inner.random, hello)
    return replace(hello, random=hello.random[:-CONFIRMATION] + value)


def answer(opened: Opened | None, hello: ClientHello) -> Rows:
    """In EncryptedExtensions: the keys that the client should have used (section 7.1)."""
    if opened is None or opened.inner is not None or opened.keys is None:
        return []
    return [(ECH, opened.keys.config_list)] if ECH in hello.extensions else []
