"""What a server chooses from a ClientHello.

RFC 8446, sections 4.1.1 and 4.2. The choices are made here, each in a function that takes
the ClientHello and the configuration and says in its error which of the two had nothing
for the other.
"""

from __future__ import annotations

from collections.abc import Container, Sequence
from dataclasses import dataclass, replace

from ..config import ClientHelloInfo, Passthrough, ServerConfig
from ..crypto.groups import GROUPS, is_post_quantum
from ..crypto.suites import SUITES, Suite
from ..enums import (
    GREASE_VALUES,
    Alert,
    CipherSuite,
    ExtensionType,
    NamedGroup,
    ProtocolVersion,
    SignatureScheme,
)
from ..errors import PassedThrough, ProtocolError, TLSError
from ..identity import Identity
from ..trust.certificates import printable
from ..wire import extensions as ext
from ..wire.extensions import Context, Extensions
from ..wire.messages import ClientHello
from . import auth
from .certificate_type import X509, no_common_type, showable
from .channel import Channel, resolve


def check_hello(hello: ClientHello) -> None:
    """RFC 8446, section 4.1.2: the fields that are not offers."""
    hello.extensions.check(Context.CLIENT_HELLO)
    if hello.compression_methods != b"\0":
        if ext.SUPPORTED_VERSIONS.type in hello.extensions or 0 not in hello.compression_methods:
            raise ProtocolError(
                Alert.ILLEGAL_PARAMETER,
                "the client offered compression methods",
                reason="INVALID_COMPRESSION_LIST",
            )


def describe_hello(hello: ClientHello) -> ClientHelloInfo:
    """What hooks are told of a client."""
    extensions = hello.extensions
    return ClientHelloInfo(
        server_name=extensions.get(ext.SERVER_NAME),
        alpn_protocols=extensions.get(ext.ALPN) or (),
        signature_schemes=extensions.get(ext.SIGNATURE_ALGORITHMS) or (),
        cipher_suites=hello.cipher_suites,
        groups=extensions.get(ext.SUPPORTED_GROUPS) or (),
        versions=extensions.get(ext.SUPPORTED_VERSIONS) or (hello.legacy_version,),
        hello=hello,
    )


async def choose_config(
    channel: Channel, hello: ClientHello
) -> tuple[ServerConfig, Identity | None]:
    """The configuration for this client, and its identity where the application chose one."""
    config = channel.config
    if not isinstance(config, ServerConfig):
        raise TypeError(f"a server needs a ServerConfig, not {type(config).__name__}")
    if config.select is None:
        return config, None
    try:
        selection = await resolve(config.select(describe_hello(hello)))
    except TLSError:
        raise
    except Exception as error:
        raise ProtocolError(
            Alert.INTERNAL_ERROR, f"the selection by ClientHello failed: {error!r}"
        ) from error
    if isinstance(selection, ServerConfig):
        return selection, None
    if selection is None or isinstance(selection, Identity):
        return config, selection
    if isinstance(selection, Passthrough):
        raise PassedThrough(selection)
    raise ProtocolError(
        Alert.INTERNAL_ERROR,
        f"the selection by ClientHello returned {type(selection).__name__}, not an Identity, a "
        "ServerConfig, a Passthrough or None",
    )


def choose_version(config: ServerConfig, hello: ClientHello) -> ProtocolVersion:
    """RFC 8446, section 4.2.1: the newest that both speak."""
    offered = hello.extensions.get(ext.SUPPORTED_VERSIONS)
    if offered is None:
        offered = (min(hello.legacy_version, ProtocolVersion.TLSv1_2),)
    for version in config.versions:
        if version in offered:
            return version
    known = list(ProtocolVersion)
    names = ", ".join(
        ProtocolVersion(v).title if v in known else ProtocolVersion.label(v)
        for v in [v for v in offered if v not in GREASE_VALUES][:8]
    )
    ours = " and ".join(v.title for v in config.versions)
    if ProtocolVersion.TLSv1_2 in offered and config.min_version > ProtocolVersion.TLSv1_2:
        hint = "ServerConfig(min_version=ProtocolVersion.TLSv1_2) would let this client in."
    elif ProtocolVersion.TLSv1_3 in offered and config.max_version < ProtocolVersion.TLSv1_3:
        hint = "ServerConfig(max_version=ProtocolVersion.TLSv1_3) would let this client in."
    else:
        hint = "The client has to be upgraded to a newer version of TLS."
    raise ProtocolError(
        Alert.PROTOCOL_VERSION,
        f"no common version: the client offers {names}; this server speaks {ours}",
        reason="UNSUPPORTED_PROTOCOL",
        hint=hint,
    )


def choose_suite(config: ServerConfig, hello: ClientHello, version: ProtocolVersion) -> Suite:
    """The first of the server's suites that the client offered."""
    for code in config.suites:
        if code in hello.cipher_suites and SUITES[code].version == version:
            return SUITES[code]
    raise no_shared_cipher(config, hello, version)


def no_shared_cipher(
    config: ServerConfig, hello: ClientHello, version: ProtocolVersion
) -> ProtocolError:
    """With what can be done about it, and by whom."""
    ours = [code for code in config.suites if SUITES[code].version == version]
    known = [SUITES[code] for code in hello.cipher_suites if code in SUITES]
    if any(suite.version == version for suite in known):
        remedy = "ServerConfig(cipher_suites=)."
    elif version == ProtocolVersion.TLSv1_3:
        remedy = "the client needs one with AES-GCM or ChaCha20-Poly1305."
    else:
        remedy = (
            "the client needs one with ECDHE and AES-GCM or ChaCha20-Poly1305; CBC, key exchange "
            "by RSA and finite-field DHE are not spoken here."
        )
    return ProtocolError(
        Alert.HANDSHAKE_FAILURE,
        "no shared cipher: the client offers none of this server's cipher suites",
        reason="NO_SHARED_CIPHER",
        hint=f"The client offers {CipherSuite.listing(hello.cipher_suites)}; this server takes "
        f"{CipherSuite.listing(ours)}: {remedy}",
    )


def no_shared_group(
    config: ServerConfig, offered: Sequence[int], able: Container[int]
) -> ProtocolError:
    """The same for groups, of which the version that is spoken has those in *able*."""
    remedy = "the client needs X25519 or a NIST curve; finite-field groups are not spoken here."
    if any(group in able for group in offered):
        remedy = "ServerConfig(groups=)."
    return ProtocolError(
        Alert.HANDSHAKE_FAILURE,
        "no common group for the key exchange",
        reason="NO_SHARED_GROUP",
        hint=f"The client offers {NamedGroup.listing(offered)}; this server takes "
        f"{NamedGroup.listing(group for group in config.groups if group in able)}: {remedy}",
    )


def choose_group(config: ServerConfig, hello: ClientHello) -> tuple[NamedGroup, bytes | None]:
    """The group, and the client's share for it; no share means HelloRetryRequest.

    The server's preference decides, except that a share at hand is worth more than a round
    trip, as long as both are post-quantum or neither is (RFC 8446, section 4.2.8).
    """
    extensions = hello.extensions
    groups = extensions.get(ext.SUPPORTED_GROUPS)
    entries = extensions.get(ext.KEY_SHARE)
    if groups is None or entries is None:
        missing = "supported_groups" if groups is None else "key_share"
        raise ProtocolError(Alert.MISSING_EXTENSION, f"the client sent no {missing}")
    offered_groups = frozenset(groups)  # both lists may have thousands of entries
    shares: dict[int, bytes] = {}
    for entry in entries:  # no two of them for one group: the parser has seen to that
        if entry.group not in offered_groups:
            raise ProtocolError(
                Alert.ILLEGAL_PARAMETER,
                f"the client sent a key share of {NamedGroup.label(entry.group)}, which is not "
                "among its supported_groups",
                reason="WRONG_CURVE",
            )
        shares[entry.group] = entry.key_exchange
    common = [group for group in config.groups if group in offered_groups]
    if not common:
        raise no_shared_group(config, groups, GROUPS)
    best = common[0]
    for group in common:
        if group in shares and is_post_quantum(group) == is_post_quantum(best):
            return group, shares[group]
    return best, None


def choose_protocol(config: ServerConfig, hello: ClientHello) -> bytes | None:
    """RFC 7301, section 3.2: by the server's preference, or no_application_protocol."""
    offered = hello.extensions.get(ext.ALPN)
    if offered is None or not config.alpn:
        return None
    for protocol in config.alpn:
        if protocol in offered:
            return protocol
    if config.alpn_optional:
        return None
    names, ours = (
        ", ".join(printable(name.decode("ascii", "backslashreplace")) for name in protocols[:16])
        for protocols in (offered, config.alpn)
    )
    raise ProtocolError(
        Alert.NO_APPLICATION_PROTOCOL,
        f"no common application protocol: the client offers {names}; this server speaks {ours}",
        reason="NO_APPLICATION_PROTOCOL",
        hint="ServerConfig(alpn_protocols=) names what it speaks; with alpn_optional=True it goes "
        "on without.",
    )


@dataclass(slots=True, eq=False)
class Credential:
    """What the server is going to show, and how it is going to sign."""

    identity: Identity
    scheme: SignatureScheme
    raw: bool = False
    """Whether it is the key alone that is shown (RFC 7250)."""


def choose_credential(
    config: ServerConfig, hello: ClientHello, chosen: Identity | None
) -> Credential:
    """By type and name, and then by what the client can verify (RFC 8446, section 4.4.2.2)."""
    schemes = hello.extensions.get(ext.SIGNATURE_ALGORITHMS)
    if schemes is None:
        raise ProtocolError(Alert.MISSING_EXTENSION, "the client sent no signature_algorithms")
    candidates = candidates_for(config, hello.extensions, chosen)
    for identity, raw in candidates:
        scheme = auth.choose_scheme(identity, schemes)
        if scheme is not None:
            return Credential(identity, scheme, raw)
    offered = SignatureScheme.listing(schemes)
    able = SignatureScheme.listing(
        dict.fromkeys(s for identity, _ in candidates for s in identity.schemes)
    )
    raise ProtocolError(
        Alert.HANDSHAKE_FAILURE,
        "no common signature algorithm: the client can verify none of this server's certificates",
        reason="NO_COMMON_SIGNATURE_ALGORITHMS",
        hint=f"The client offers {offered}; this server can sign with {able}. A second certificate "
        "with a key of another kind, ServerConfig(identities=[...]), serves both.",
    )


async def with_fresh_staple(
    config: ServerConfig, hello: ClientHello, credential: Credential
) -> Credential:
    """The credential with the OCSP response of the moment, if the client asks for one."""
    asked = ExtensionType.STATUS_REQUEST in hello.extensions
    if config.staple is None or credential.raw or not asked:
        return credential
    identity = credential.identity
    try:
        staple = await resolve(config.staple(identity))
    except TLSError:
        raise
    except Exception as error:
        raise ProtocolError(
            Alert.INTERNAL_ERROR, f"the OCSP response could not be had: {error!r}"
        ) from error
    if staple is None:
        return credential
    return replace(credential, identity=identity.with_staple(staple))


def candidates_for(
    config: ServerConfig, hello: Extensions, chosen: Identity | None
) -> list[tuple[Identity, bool]]:
    """The identities to choose from, the preferred first, each with whether as a raw key.

    *chosen* is the application's choice, which leaves only that.
    """
    identities = config.identities if chosen is None else (chosen,)
    if not identities and config.psk is not None:  # 4.1.1: keys are all that it has
        raise ProtocolError(
            Alert.HANDSHAKE_FAILURE,
            "the client offers none of the pre-shared keys that this server knows",
            reason="PSK_IDENTITY_NOT_FOUND",
        )
    if not identities:
        raise ProtocolError(
            Alert.INTERNAL_ERROR,
            "this server has no certificate to show",
            reason="NO_CERTIFICATE_SET",
        )
    candidates = showable(config, identities, hello)
    if not candidates:
        raise no_common_type(hello.get(ext.SERVER_CERTIFICATE_TYPE) or (X509,), "show")
    name = hello.get(ext.SERVER_NAME)
    if chosen is not None or name is None:
        return candidates
    if len(candidates) == 1 and not config.require_known_name:
        return candidates  # whatever it is called
    return carrying(config, candidates, name)


def carrying(
    config: ServerConfig, candidates: list[tuple[Identity, bool]], server_name: str
) -> list[tuple[Identity, bool]]:
    """Those that carry the name, and keys alone, which go with any; all where none carries it."""
    named = [pair for pair in candidates if not pair[0].chain or pair[0].matches(server_name)]
    if any(identity.chain for identity, _ in named):
        return named
    if not config.require_known_name:
        return candidates
    if not named:
        raise ProtocolError(
            Alert.UNRECOGNIZED_NAME,
            f"the client asked for {server_name!r}, for which this server has no certificate",
        )
    return named


def check_second_hello(
    first: ClientHello, second: ClientHello, group: int | None, cookie: bytes | None
) -> None:
    """RFC 8446, section 4.1.2: what may differ after a HelloRetryRequest, and what must."""
    free = {
        ExtensionType.KEY_SHARE,
        ExtensionType.COOKIE,
        ExtensionType.EARLY_DATA,
        ExtensionType.PRE_SHARED_KEY,
        ExtensionType.PADDING,
        # Encrypted anew for the second hello (RFC 9849, section 6.1.5), by clients of servers
        # that know nothing of it too.
        ExtensionType.ENCRYPTED_CLIENT_HELLO,
    }
    unchanged = (
        first.random == second.random
        and first.session_id == second.session_id
        and first.cipher_suites == second.cipher_suites
        and first.compression_methods == second.compression_methods
        and first.legacy_version == second.legacy_version
        and [pair for pair in first.extensions.items if pair[0] not in free]
        == [pair for pair in second.extensions.items if pair[0] not in free]
    )
    if not unchanged:
        raise ProtocolError(
            Alert.ILLEGAL_PARAMETER,
            "the client's second ClientHello differs where it must not",
            reason="INCONSISTENT_CLIENT_HELLO",
        )
    if second.extensions.get(ext.COOKIE) != cookie:
        raise ProtocolError(
            Alert.ILLEGAL_PARAMETER, "the client did not echo the cookie", reason="BAD_COOKIE"
        )
    if ExtensionType.EARLY_DATA in second.extensions:
        raise ProtocolError(
            Alert.ILLEGAL_PARAMETER,
            "the client offered early data after a HelloRetryRequest",
            reason="UNEXPECTED_EXTENSION",
        )
    if group is not None:
        shares = second.extensions.get(ext.KEY_SHARE) or ()
        if [share.group for share in shares] != [group]:
            raise ProtocolError(
                Alert.ILLEGAL_PARAMETER,
                "the client's second ClientHello has not the one key share that was asked for",
                reason="WRONG_CURVE",
            )
