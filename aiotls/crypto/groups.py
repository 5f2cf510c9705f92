"""Key exchange: elliptic curves (RFC 8446, section 7.4.2), ML-KEM alone
(draft-ietf-tls-mlkem), and both together (draft-ietf-tls-ecdhe-mlkem).

The client makes a :class:`KeyExchange`, sends its share, and calls ``agree`` with the server's.
The server has the client's share already and does everything at once in :func:`respond`: with a
KEM its answer depends on what the client sent.

A share is the peer's to choose, so every one is checked before it is used, and a bad one is
``illegal_parameter``: a wrong length, a point that is not on the curve, an X25519 result of all
zeros, an ML-KEM key with a coefficient out of range.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import NoReturn, Protocol

from cryptography.hazmat.primitives.asymmetric import ec, mlkem, x448, x25519
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from ..enums import Alert, NamedGroup
from ..errors import ProtocolError, UsageError


class KeyExchange(Protocol):
    """One ephemeral key pair; it is made for one handshake and never used again."""

    @property
    def group(self) -> int:
        """The code point of its group."""

    @property
    def share(self) -> bytes:
        """The public half, as it goes on the wire."""

    def agree(self, peer_share: bytes) -> bytes:
        """The shared secret with the peer's answer; raises ProtocolError for a bad answer."""


class MontgomeryKeyExchange:
    """X25519 or X448 (RFC 7748). A *private_key* is given only when a handshake is replayed."""

    __slots__ = ("_curve", "_key", "group", "share")

    def __init__(self, group: int, private_key: _MontgomeryPrivateKey | None = None) -> None:
        self.group = group
        self._curve = _MONTGOMERY[group]
        self._key = private_key or self._curve.generate()
        self.share = self._key.public_key().public_bytes_raw()

    def agree(self, peer_share: bytes) -> bytes:
        """The secret. RFC 8446, section 7.4.2: a result of all zeros MUST be refused."""
        curve = self._curve
        if len(peer_share) != curve.length:
            _wrong_length(self.group, peer_share, curve.length)
        try:
            return curve.exchange(self._key, peer_share)
        except ValueError:
            _bad_share(self.group, "leads to a secret of all zeros")


class WeierstrassKeyExchange:
    """ECDH on a NIST curve, with uncompressed points (RFC 8446, section 4.2.8.2).

    A *private_key* is given only when a handshake is replayed.
    """

    __slots__ = ("_curve", "_key", "group", "share")

    def __init__(self, group: int, private_key: ec.EllipticCurvePrivateKey | None = None) -> None:
        self.group = group
        self._curve = _WEIERSTRASS[group]
        self._key = private_key or ec.generate_private_key(self._curve.curve)
        self.share = self._key.public_key().public_bytes(
            Encoding.X962, PublicFormat.UncompressedPoint
        )

    def agree(self, peer_share: bytes) -> bytes:
        """The secret: the x-coordinate, in as many bytes as the field has."""
        curve = self._curve
        if len(peer_share) != curve.length:
            _wrong_length(self.group, peer_share, curve.length)
        if peer_share[0] != 4:  # RFC 8446, section 4.2.8.2: legacy_form
            _bad_share(self.group, "is not an uncompressed point")
        try:
            point = ec.EllipticCurvePublicKey.from_encoded_point(curve.curve, peer_share)
            return self._key.exchange(_ECDH, point)
        except ValueError:
            _bad_share(self.group, "is not a point on the curve")


class KemKeyExchange:
    """ML-KEM alone (draft-ietf-tls-mlkem), for those whose rules want nothing beside it."""

    __slots__ = ("_kem", "_key", "group", "share")

    def __init__(self, group: int) -> None:
        self.group = group
        self._kem = _KEMS[group]
        self._key = self._kem.generate()
        self.share = self._key.public_key().public_bytes_raw()

    def agree(self, peer_share: bytes) -> bytes:
        """The secret from the server's ciphertext."""
        if len(peer_share) != self._kem.ciphertext_length:
            _wrong_length(self.group, peer_share, self._kem.ciphertext_length)
        return _decapsulate(self._key, peer_share)


class HybridKeyExchange:
    """An elliptic curve and ML-KEM side by side: the secret holds as long as either does.

    Shares and secrets are concatenations. The order is the group's own: ML-KEM stands first in
    X25519MLKEM768, the curve in the other two (draft-ietf-tls-ecdhe-mlkem, section 4).
    """

    __slots__ = ("_hybrid", "_key", "classical", "group", "share")

    def __init__(self, group: int) -> None:
        self.group = group
        self._hybrid = hybrid = _HYBRIDS[group]
        self._key = hybrid.kem.generate()
        self.classical = generate(hybrid.classical)
        """The curve's half, which may be offered as a share of its own as well."""
        self.share = hybrid.join(self._key.public_key().public_bytes_raw(), self.classical.share)

    def agree(self, peer_share: bytes) -> bytes:
        """The secret from the server's ciphertext and point."""
        hybrid = self._hybrid
        ciphertext, point = hybrid.split(self.group, peer_share, hybrid.kem.ciphertext_length)
        # The curve first: a ciphertext of the right length never fails (implicit rejection,
        # FIPS 203, section 6.3), so that a bad point is found before any work is done.
        classical = self.classical.agree(point)
        return hybrid.join(_decapsulate(self._key, ciphertext), classical)


def generate(group: int) -> KeyExchange:
    """A fresh key pair; raises UsageError for a group that is not implemented."""
    if group in _MONTGOMERY:
        return MontgomeryKeyExchange(group)
    if group in _WEIERSTRASS:
        return WeierstrassKeyExchange(group)
    if group in _HYBRIDS:
        return HybridKeyExchange(group)
    if group in _KEMS:
        return KemKeyExchange(group)
    raise UsageError(f"the group {NamedGroup.label(group)} is not implemented")


def respond(group: int, peer_share: bytes) -> tuple[bytes, bytes]:
    """The server's share and the shared secret for a client's share.

    Raises ProtocolError for a bad share, UsageError for a group that is not implemented.
    """
    if group in _KEMS:
        kem = _KEMS[group]
        if len(peer_share) != kem.key_length:
            _wrong_length(group, peer_share, kem.key_length)
        secret, ciphertext = _encapsulate(kem, group, peer_share)
        return ciphertext, secret
    hybrid = _HYBRIDS.get(group)
    if hybrid is None:
        exchange = generate(group)
        return exchange.share, exchange.agree(peer_share)
    encapsulation_key, point = hybrid.split(group, peer_share, hybrid.kem.key_length)
    exchange = generate(hybrid.classical)
    classical = exchange.agree(point)
    secret, ciphertext = _encapsulate(hybrid.kem, group, encapsulation_key)
    return hybrid.join(ciphertext, exchange.share), hybrid.join(secret, classical)


def is_post_quantum(group: int) -> bool:
    """Whether the group holds against a quantum computer."""
    return group in _HYBRIDS or group in _KEMS


def _encapsulate(kem: _Kem, group: int, key: bytes) -> tuple[bytes, bytes]:
    """A secret and its ciphertext for the peer's *key*, which has the right length.

    The modulus check of FIPS 203, section 7.2, which the drafts require of a server, is made
    when the key is loaded.
    """
    try:
        return kem.load(key).encapsulate()
    except ValueError:
        _bad_share(group, "has an ML-KEM key that is not valid")


def _decapsulate(key: _KemPrivateKey, ciphertext: bytes) -> bytes:
    try:
        return key.decapsulate(ciphertext)
    except ValueError as error:
        # draft-ietf-tls-ecdhe-mlkem, section 4.2: any failure but a wrong length.
        raise ProtocolError(
            Alert.INTERNAL_ERROR, f"ML-KEM decapsulation failed: {error}"
        ) from error


# -- the groups ------------------------------------------------------------------------------------


class _MontgomeryPublicKey(Protocol):
    def public_bytes_raw(self) -> bytes: ...


class _MontgomeryPrivateKey(Protocol):
    def public_key(self) -> _MontgomeryPublicKey: ...


@dataclass(frozen=True, slots=True)
class _Montgomery:
    length: int
    generate: Callable[[], _MontgomeryPrivateKey]
    exchange: Callable[..., bytes]


@dataclass(frozen=True, slots=True)
class _Weierstrass:
    length: int
    curve: ec.EllipticCurve


_KemPrivateKey = mlkem.MLKEM768PrivateKey | mlkem.MLKEM1024PrivateKey
_KemPublicKey = mlkem.MLKEM768PublicKey | mlkem.MLKEM1024PublicKey


@dataclass(frozen=True, slots=True)
class _Kem:
    key_length: int
    ciphertext_length: int
    generate: Callable[[], _KemPrivateKey]
    load: Callable[[bytes], _KemPublicKey]


@dataclass(frozen=True, slots=True)
class _Hybrid:
    classical: NamedGroup
    point_length: int
    kem_first: bool
    kem: _Kem

    def join(self, kem: bytes, classical: bytes) -> bytes:
        return kem + classical if self.kem_first else classical + kem

    def split(self, group: int, share: bytes, kem_length: int) -> tuple[bytes, bytes]:
        """The ML-KEM part, which has *kem_length* bytes, and the curve's."""
        if len(share) != kem_length + self.point_length:
            _wrong_length(group, share, kem_length + self.point_length)
        if self.kem_first:
            return share[:kem_length], share[kem_length:]
        return share[self.point_length :], share[: self.point_length]


def _x25519(key: x25519.X25519PrivateKey, share: bytes) -> bytes:
    return key.exchange(x25519.X25519PublicKey.from_public_bytes(share))


def _x448(key: x448.X448PrivateKey, share: bytes) -> bytes:
    return key.exchange(x448.X448PublicKey.from_public_bytes(share))


_ECDH = ec.ECDH()

_MONTGOMERY: dict[int, _Montgomery] = {
    NamedGroup.X25519: _Montgomery(32, x25519.X25519PrivateKey.generate, _x25519),
    NamedGroup.X448: _Montgomery(56, x448.X448PrivateKey.generate, _x448),
}

_WEIERSTRASS: dict[int, _Weierstrass] = {
    NamedGroup.SECP256R1: _Weierstrass(65, ec.SECP256R1()),
    NamedGroup.SECP384R1: _Weierstrass(97, ec.SECP384R1()),
    NamedGroup.SECP521R1: _Weierstrass(133, ec.SECP521R1()),
}

_MLKEM768 = _Kem(
    key_length=1184,
    ciphertext_length=1088,
    generate=mlkem.MLKEM768PrivateKey.generate,
    load=mlkem.MLKEM768PublicKey.from_public_bytes,
)
_MLKEM1024 = _Kem(
    key_length=1568,
    ciphertext_length=1568,
    generate=mlkem.MLKEM1024PrivateKey.generate,
    load=mlkem.MLKEM1024PublicKey.from_public_bytes,
)

_KEMS: dict[int, _Kem] = {NamedGroup.MLKEM768: _MLKEM768, NamedGroup.MLKEM1024: _MLKEM1024}

_HYBRIDS: dict[int, _Hybrid] = {
    NamedGroup.X25519MLKEM768: _Hybrid(
        classical=NamedGroup.X25519, point_length=32, kem_first=True, kem=_MLKEM768
    ),
    NamedGroup.SECP256R1MLKEM768: _Hybrid(
        classical=NamedGroup.SECP256R1, point_length=65, kem_first=False, kem=_MLKEM768
    ),
    NamedGroup.SECP384R1MLKEM1024: _Hybrid(
        classical=NamedGroup.SECP384R1, point_length=97, kem_first=False, kem=_MLKEM1024
    ),
}

GROUPS: frozenset[int] = frozenset((*_MONTGOMERY, *_WEIERSTRASS, *_KEMS, *_HYBRIDS))
"""Every group that is implemented."""

TLS12_GROUPS: frozenset[int] = frozenset((*_MONTGOMERY, *_WEIERSTRASS))
"""Those that TLS 1.2 can use (RFC 8422, section 5.1.1): ML-KEM needs TLS 1.3's key shares."""


def _wrong_length(group: int, share: bytes, expected: int) -> NoReturn:
    _bad_share(group, f"is {len(share)} bytes long instead of {expected}")


def _bad_share(group: int, what: str) -> NoReturn:
    raise ProtocolError(
        Alert.ILLEGAL_PARAMETER,
        f"the peer's key share for {NamedGroup.label(group)} {what}",
        reason="BAD_ECPOINT",
    ) from None
