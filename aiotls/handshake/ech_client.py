"""The client's half of Encrypted Client Hello: RFC 9849, section 6.

The inner and the outer ClientHello have all extensions in common but those of :data:`PRIVATE`:
the inner one refers to them (section 5.1), so what is sealed is short.
"""

from __future__ import annotations

import hmac
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from ..config import ClientConfig
from ..crypto import hpke
from ..crypto.hpke import Aead, HpkeSuite, Kdf, Kem, Sender
from ..crypto.suites import SUITES
from ..ech import ECHConfig, parse_config_list
from ..enums import Alert, ExtensionType, ProtocolVersion
from ..errors import DecodeError, ECHRejected, ProtocolError
from ..wire import extensions as ext
from ..wire.codec import Writer
from ..wire.extensions import Extension, Extensions, OfferedPsks, PskIdentity, Rows
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
from .psk import bind

if TYPE_CHECKING:
    from .channel import Channel
    from .established import Established
    from .offer import Offer
    from .transcript import Transcript

PRIVATE = frozenset(
    {
        ECH,
        ExtensionType.SERVER_NAME,
        ExtensionType.ALPN,
        ExtensionType.CERTIFICATE_AUTHORITIES,
        ExtensionType.SUPPORTED_VERSIONS,
        ExtensionType.PRE_SHARED_KEY,
    }
)
"""Extensions of the inner ClientHello that the outer one has not, or with another value."""

GREASE_SUITES = (
    HpkeSuite(Kem.DHKEM_X25519_HKDF_SHA256, Kdf.HKDF_SHA256, Aead.AES_128_GCM),
    HpkeSuite(Kem.DHKEM_X25519_HKDF_SHA256, Kdf.HKDF_SHA256, Aead.CHACHA20_POLY1305),
)


@dataclass(frozen=True, slots=True)
class Envelope:
    """The outer ClientHello around an offer, and what was kept of sealing it."""

    config: ClientConfig
    """What was configured; the offer itself is of TLS 1.3 alone."""

    ech_config: ECHConfig
    suite: HpkeSuite
    context: Sender
    hello: ClientHello
    """The outer one."""

    accepted: bool = False
    """Whether a HelloRetryRequest has said so."""

    inside: Transcript | None = None
    """The transcript to the inner ClientHello, once it was sent."""

    outside: Transcript | None = None
    """The same with the outer one."""


def inner_config(config: ClientConfig) -> ClientConfig:
    """What the ClientHello to be hidden is made from (section 6.1): TLS 1.3 and nothing older."""
    return config if config.ech_config is None else config.hidden


def enclose(channel: Channel, config: ClientConfig, offer: Offer) -> Offer:
    """The offer with an outer ClientHello around it, if there is a key for that (section 6.1)."""
    chosen = config.ech_config
    suite = chosen.suite if chosen is not None else None
    if chosen is None or suite is None:
        return offer
    info = b"tls ech\0" + chosen.encoded
    enc, context = hpke.setup_sender(suite, chosen.public_key, info, random=config.random)
    inner = arrange(offer.hello)
    offer = replace(offer, hello=bind(channel, inner, offer.keys, config.clock()))
    outer = make_outer(config, offer.hello, chosen.public_name)
    envelope = Envelope(config, chosen, suite, context, outer)
    return replace(offer, ech=seal(envelope, offer.hello, enc))


def enclose_again(offer: Offer) -> Offer:
    """The same for the second ClientHello, in the same HPKE context (section 6.1.5)."""
    envelope = offer.ech
    if envelope is None:
        return offer
    outer = renew_outer(envelope, offer.hello)
    return replace(offer, ech=seal(replace(envelope, hello=outer), offer.hello, b""))


def arrange(hello: ClientHello) -> ClientHello:
    """The inner ClientHello, what the outer one repeats in one piece (section 6.1, rule 3)."""
    pairs = [*hello.extensions.items, (int(ECH), INNER_VALUE)]
    last = ExtensionType.PRE_SHARED_KEY
    own = [pair for pair in pairs if pair[0] in PRIVATE and pair[0] != last]
    shared = [pair for pair in pairs if pair[0] not in PRIVATE]
    end = [pair for pair in pairs if pair[0] == last]
    return replace(hello, extensions=Extensions.build(own + shared + end))


def make_outer(config: ClientConfig, inner: ClientHello, public_name: str) -> ClientHello:
    """The outer ClientHello but for what is sealed (section 6.1)."""
    rows: Rows = [pair for pair in inner.extensions.items if pair[0] not in PRIVATE]
    versions = inner.extensions.get(ext.SUPPORTED_VERSIONS) or ()
    suites = inner.cipher_suites
    own: Rows = [(ext.SERVER_NAME, public_name), (ECH, b"")]
    if ProtocolVersion.TLSv1_2 in config.versions:
        # A server that has fallen back to it can still say so, and be believed (section 6.1.6).
        versions += (ProtocolVersion.TLSv1_2,)
        suites += tuple(c for c in config.suites if SUITES[c].version < ProtocolVersion.TLSv1_3)
        own += [
            (ext.EXTENDED_MASTER_SECRET, True),
            (ext.RENEGOTIATION_INFO, b""),
            (ext.EC_POINT_FORMATS, (0,)),
        ]
    own.append((ext.SUPPORTED_VERSIONS, versions))
    if config.permute_extensions:
        for row, number in zip(own, config.random(len(own)), strict=True):
            rows.insert(number % (len(rows) + 1), row)
    else:
        rows = own + rows
    offered = inner.extensions.get(ext.PRE_SHARED_KEY)
    if offered is not None:
        rows.append((ext.PRE_SHARED_KEY, grease_psks(config, offered)))
    return replace(
        inner,
        random=config.random(32),
        cipher_suites=suites,
        extensions=Extensions.build(rows),
    )


def renew_outer(envelope: Envelope, inner: ClientHello) -> ClientHello:
    """The second outer ClientHello: the first one, with what the inner one has now."""
    rows: Rows = []
    offered = inner.extensions.get(ext.PRE_SHARED_KEY)
    for kind, body in envelope.hello.extensions.items:
        if kind in PRIVATE or kind not in OFFERED_ANEW:
            if kind != ExtensionType.PRE_SHARED_KEY:
                rows.append((kind, body))
        elif kind in inner.extensions:
            rows.append((kind, inner.extensions.raw(kind)))
    rows += [pair for pair in inner.extensions.items if pair[0] == ExtensionType.COOKIE]
    if offered is not None:
        rows.append((ext.PRE_SHARED_KEY, grease_psks(envelope.config, offered)))
    return replace(envelope.hello, extensions=Extensions.build(rows))


OFFERED_ANEW = frozenset({ExtensionType.KEY_SHARE, ExtensionType.EARLY_DATA})
"""What a second ClientHello has with another value, or no more (RFC 8446, section 4.1.2)."""


def grease_psks(config: ClientConfig, offered: OfferedPsks) -> OfferedPsks:
    """As many keys as the inner ClientHello offers, all of them made up (section 6.1.2)."""
    return OfferedPsks(
        tuple(
            PskIdentity(config.random(len(known.identity)), int.from_bytes(config.random(4), "big"))
            for known in offered.identities
        ),
        tuple(config.random(len(binder)) for binder in offered.binders),
    )


def seal(envelope: Envelope, inner: ClientHello, enc: bytes) -> Envelope:
    """The envelope with *inner* in it (section 6.1.1)."""
    plaintext = encode_inner(inner, envelope.ech_config.maximum_name_length)
    suite, outer = envelope.suite, envelope.hello
    config_id = envelope.ech_config.config_id
    blank = bytes(len(plaintext) + hpke.TAG_LENGTH)
    sealed = Sealed(suite.kdf, suite.aead, config_id, enc, blank)
    payload = envelope.context.seal(plaintext, with_value(outer, sealed.encode()).encode()[4:])
    value = replace(sealed, payload=payload).encode()
    return replace(envelope, hello=with_value(outer, value))


def encode_inner(inner: ClientHello, maximum_name_length: int) -> bytes:
    """EncodedClientHelloInner (section 5.1): without what the outer one has as well, padded."""
    shared: list[int] = []
    rows: Rows = []
    place = 0
    for kind, body in inner.extensions.items:
        if kind in PRIVATE:
            rows.append((kind, body))
        else:
            if not shared:
                place = len(rows)
            shared.append(kind)
    writer = Writer()
    writer.u16_list(1, shared)
    rows.insert(place, (ExtensionType.ECH_OUTER_EXTENSIONS, bytes(writer.data)))
    body = replace(inner, session_id=b"", extensions=Extensions.build(rows)).encode()[4:]
    name = inner.extensions.get(ext.SERVER_NAME)
    return body + bytes(padding(len(body), name, maximum_name_length))


def padding(length: int, name: str | None, maximum_name_length: int) -> int:
    """How many zeros make hellos for different names alike (section 6.1.3)."""
    if name is None:
        missing = maximum_name_length + 9  # the extension that is not there
    else:
        missing = max(0, maximum_name_length - len(name))
    return missing + -(length + missing) % 32


def send(channel: Channel, offer: Offer) -> Offer:
    """Sends the ClientHello, the outer one if there is one.

    As long as the server may have taken the inner one it is that which counts (section 6.1.5),
    for the early data that follows it as well.
    """
    envelope = offer.ech
    if envelope is None:
        channel.send(offer.hello)
        return offer
    inside = channel.transcript.copy()
    channel.send(envelope.hello)
    outside, channel.transcript = channel.transcript, inside
    inside.add(offer.hello.encode())
    return replace(offer, ech=replace(envelope, inside=inside.copy(), outside=outside))


def settle(channel: Channel, offer: Offer, hello: ServerHello) -> Offer:
    """The offer that the server has answered: the inner or the outer one (section 6.1.4)."""
    value = hello.extensions.raw(ECH) if hello.is_retry else None
    if value is not None and ECH in offer.sent and len(value) != CONFIRMATION:
        raise DecodeError(
            f"the server sent a confirmation of encrypted_client_hello of {len(value)} bytes",
            reason="BAD_EXTENSION",
        )
    envelope = offer.ech
    if envelope is None or envelope.inside is None or envelope.outside is None:
        return offer
    if is_confirmed(envelope.inside, offer.hello, hello):
        return replace(offer, ech=replace(envelope, accepted=True))
    if envelope.accepted:  # section 6.1.5
        raise ProtocolError(
            Alert.ILLEGAL_PARAMETER,
            "the server took the encrypted ClientHello in its HelloRetryRequest, and not after",
            reason="INCONSISTENT_ECH_NEGOTIATION",
        )
    answer = channel.transcript.messages()[len(offer.hello.encode()) :]
    channel.transcript = envelope.outside
    channel.transcript.add(answer)
    channel.client_random = envelope.hello.random
    return replace(
        offer,
        config=envelope.config.public,
        hello=envelope.hello,
        server_name=envelope.ech_config.public_name,
        keys=(),
        ech=None,
        rejected=True,
    )


def is_confirmed(before: Transcript, inner: ClientHello, hello: ServerHello) -> bool:
    """Whether the server has shown that it knows the inner ClientHello (section 7.2)."""
    suite = SUITES.get(hello.cipher_suite)
    if hello.version < ProtocolVersion.TLSv1_3 or suite is None:
        return False
    if suite.version < ProtocolVersion.TLSv1_3:
        return False
    if hello.is_retry:
        value = hello.extensions.raw(ECH)
        if value is None:
            return False
        expected = retry_confirmation(before, suite, inner.random, hello)
    else:
        value = hello.random[-CONFIRMATION:]
        expected = confirmation(before, suite, inner.random, hello)
    return hmac.compare_digest(value, expected)


def read_retry_configs(offer: Offer, extensions: Extensions) -> bytes | None:
    """The keys that a server which could not decrypt wants to be used (sections 5 and 6.1.6).

    None where they are of no use, and for a client that had none itself (section 6.2.1).
    """
    value = extensions.raw(ECH)
    if value is None:
        return None
    if offer.ech is not None:
        raise ProtocolError(
            Alert.UNSUPPORTED_EXTENSION,
            "the server took the encrypted ClientHello, and sent encrypted_client_hello again",
            reason="UNEXPECTED_EXTENSION",
        )
    try:
        configs = parse_config_list(value)
    except DecodeError as error:
        raise DecodeError(
            f"the server's retry configs are malformed: {error}", reason="BAD_EXTENSION"
        ) from error
    return value if offer.rejected and configs else None


def conclude(offer: Offer, established: Established) -> Established:
    """The outcome, which is none where the server has only proved its public name (6.1.6)."""
    if offer.rejected:
        raise ECHRejected(established.retry_configs, offer.server_name or "")
    if offer.ech is not None:
        return replace(established, ech=True)
    return established


def grease(config: ClientConfig, server_name: str | None, rows: Rows) -> Rows:
    """An extension that looks like ECH, for servers without a key for it (section 6.2.1)."""
    if not config.grease_ech or config.ech_config is not None:
        return []
    choice, config_id, *seed = config.random(34)
    suite = GREASE_SUITES[choice % len(GREASE_SUITES)]
    enc = hpke.public_bytes(hpke.load_private_key(suite.kem, bytes(seed)))
    # What an EncodedClientHelloInner made of these would have: its fixed fields and suites, what
    # is not shared, an inner encrypted_client_hello, and the list of what is shared.
    own = [
        (row, value) for row, value in rows if isinstance(row, Extension) and row.type in PRIVATE
    ]
    length = 2 + 32 + 1 + 2 + 2 * len(config.suites) + 2 + 2 + 5
    length += sum(4 + len(row.encode(value)) for row, value in own)
    length += 5 + 2 * (len(rows) - len(own))
    length += padding(length, server_name, 0) if server_name is not None else -length % 32
    payload = config.random(length + hpke.TAG_LENGTH)
    return [(ECH, Sealed(suite.kdf, suite.aead, config_id, enc, payload).encode())]
