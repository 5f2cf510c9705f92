"""Hybrid public key encryption: RFC 9180, base mode, which is what Encrypted Client Hello needs.

`cryptography` has HPKE as well, but for one message without associated data and without a
context; ECH seals with associated data, and after a HelloRetryRequest goes on in the same
context (RFC 9849, section 6.1.5).

Nothing here raises a TLSError. Whether a message that does not open ends the handshake is for
ECH to say, and mostly it does not: see :class:`HpkeError`.
"""

from __future__ import annotations

import hmac
import os
import struct
from collections.abc import Callable
from dataclasses import dataclass

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.asymmetric import ec, x25519
from cryptography.hazmat.primitives.ciphers.aead import AESGCM, ChaCha20Poly1305
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from ..enums import CodePoint

PrivateKey = x25519.X25519PrivateKey | ec.EllipticCurvePrivateKey
"""A receiver's key."""

TAG_LENGTH = 16
"""Bytes that every AEAD here adds to the plaintext."""


class Kem(CodePoint):
    """Key encapsulation mechanisms: RFC 9180, section 7.1."""

    DHKEM_P256_HKDF_SHA256 = 0x0010
    DHKEM_P384_HKDF_SHA384 = 0x0011
    DHKEM_P521_HKDF_SHA512 = 0x0012
    DHKEM_X25519_HKDF_SHA256 = 0x0020


class Kdf(CodePoint):
    """Key derivation functions: RFC 9180, section 7.2."""

    HKDF_SHA256 = 0x0001
    HKDF_SHA384 = 0x0002
    HKDF_SHA512 = 0x0003


class Aead(CodePoint):
    """Ciphers: RFC 9180, section 7.3."""

    AES_128_GCM = 0x0001
    AES_256_GCM = 0x0002
    CHACHA20_POLY1305 = 0x0003


class HpkeError(ValueError):
    """A key or a ciphertext that is not valid: OpenError, ValidationError, DeserializeError and
    MessageLimitReachedError of RFC 9180, section 5.2, which a caller need not tell apart.
    """


@dataclass(frozen=True, slots=True)
class HpkeSuite:
    """One choice of algorithms, by their code points, as they stand in an ECHConfig."""

    kem: int
    kdf: int
    aead: int

    @property
    def supported(self) -> bool:
        """Whether all three are implemented."""
        return self.kem in _KEMS and self.kdf in _HASHES and self.aead in _AEADS


class _Context:
    """What sender and receiver have in common: RFC 9180, sections 5.1 and 5.2."""

    __slots__ = ("_aead", "_base_nonce", "_exporter_secret", "_labels", "sequence")

    def __init__(self, suite: HpkeSuite, shared_secret: bytes, info: bytes) -> None:
        identifier = b"HPKE" + struct.pack(">HHH", suite.kem, suite.kdf, suite.aead)
        labels = self._labels = _LabeledKdf(_HASHES[suite.kdf], identifier)
        cipher, key_length = _AEADS[suite.aead]
        # mode_base is 0, with an empty psk and an empty psk_id.
        context = b"\0%b%b" % (
            labels.extract(b"", b"psk_id_hash", b""),
            labels.extract(b"", b"info_hash", info),
        )
        secret = labels.extract(shared_secret, b"secret", b"")
        self._aead = cipher(labels.expand(secret, b"key", context, key_length))
        self._base_nonce = int.from_bytes(labels.expand(secret, b"base_nonce", context, 12), "big")
        self._exporter_secret = labels.expand(secret, b"exp", context, labels.hash_length)
        self.sequence = 0

    def export(self, context: bytes, length: int) -> bytes:
        """A secret that both ends share (section 5.3), *length* bytes."""
        return self._labels.expand(self._exporter_secret, b"sec", context, length)

    def _nonce(self) -> bytes:
        # Section 5.2: the limit is 2^96 - 1, but it MUST be checked; a later one would wrap.
        if self.sequence >= (1 << 96) - 1:
            raise HpkeError("the context has sealed or opened as many messages as it may")
        return (self._base_nonce ^ self.sequence).to_bytes(12, "big")


class Sender(_Context):
    """Seals one message after the other."""

    __slots__ = ()

    def seal(self, plaintext: bytes, aad: bytes) -> bytes:
        """The ciphertext, :data:`TAG_LENGTH` bytes longer than the plaintext."""
        ciphertext = self._aead.encrypt(self._nonce(), plaintext, aad)
        self.sequence += 1
        return ciphertext


class Receiver(_Context):
    """Opens the messages of one sender, in the order in which they were sealed."""

    __slots__ = ()

    def open(self, ciphertext: bytes, aad: bytes) -> bytes:
        """The plaintext; raises HpkeError, and the next call tries the same number again."""
        try:
            plaintext = self._aead.decrypt(self._nonce(), ciphertext, aad)
        except InvalidTag:
            raise HpkeError("the ciphertext does not open under this key") from None
        self.sequence += 1
        return plaintext


def setup_sender(
    suite: HpkeSuite,
    public_key: bytes,
    info: bytes,
    *,
    random: Callable[[int], bytes] = os.urandom,
) -> tuple[bytes, Sender]:
    """SetupBaseS of section 5.1.1: the encapsulated key to send, and a context.

    *random* yields as many bytes as it is asked for. Raises HpkeError for a public key that is
    not valid, KeyError for a suite that is not :attr:`~HpkeSuite.supported`.
    """
    kem = _KEMS[suite.kem]
    ephemeral = derive_key_pair(suite.kem, random(kem.private_length))
    enc = public_bytes(ephemeral)
    shared_secret = kem.shared_secret(kem.exchange(ephemeral, public_key), enc + public_key)
    return enc, Sender(suite, shared_secret, info)


def setup_receiver(suite: HpkeSuite, enc: bytes, private_key: PrivateKey, info: bytes) -> Receiver:
    """SetupBaseR of section 5.1.1. Raises HpkeError for an *enc* that is not valid."""
    kem = _KEMS[suite.kem]
    dh = kem.exchange(private_key, enc)
    return Receiver(suite, kem.shared_secret(dh, enc + public_bytes(private_key)), info)


def generate_key_pair(kem: int, random: Callable[[int], bytes] = os.urandom) -> PrivateKey:
    """A fresh key for a KEM."""
    return derive_key_pair(kem, random(_KEMS[kem].private_length))


def derive_key_pair(kem: int, ikm: bytes) -> PrivateKey:
    """DeriveKeyPair of section 7.1.3: the same key for the same *ikm*."""
    return _KEMS[kem].derive(ikm)


def load_private_key(kem: int, data: bytes) -> PrivateKey:
    """A private key from DeserializePrivateKey's form (section 7.1.2); raises HpkeError."""
    row = _KEMS[kem]
    if len(data) != row.private_length:
        raise HpkeError(
            f"the private key is {len(data)} bytes long instead of {row.private_length}"
        )
    try:
        return row.private_key(data)
    except ValueError as error:
        raise HpkeError(f"the private key is not valid: {error}") from None


def public_bytes(private_key: PrivateKey) -> bytes:
    """The public half in SerializePublicKey's form (section 7.1.1)."""
    if isinstance(private_key, x25519.X25519PrivateKey):
        return private_key.public_key().public_bytes_raw()
    return private_key.public_key().public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)


# -- key derivation --------------------------------------------------------------------------------


class _LabeledKdf:
    """LabeledExtract and LabeledExpand of section 4, bound to a hash and a suite_id."""

    __slots__ = ("_hash_name", "_prefix", "hash_length")

    def __init__(self, hash_name: str, suite_id: bytes) -> None:
        self._hash_name = hash_name
        self._prefix = b"HPKE-v1" + suite_id
        self.hash_length = _HASH_LENGTHS[hash_name]

    def extract(self, salt: bytes, label: bytes, ikm: bytes) -> bytes:
        return hmac.digest(salt, self._prefix + label + ikm, self._hash_name)

    def expand(self, prk: bytes, label: bytes, info: bytes, length: int) -> bytes:
        if not 0 <= length <= 255 * self.hash_length:
            raise ValueError(f"length={length} is not within 0 to {255 * self.hash_length}")
        info = length.to_bytes(2, "big") + self._prefix + label + info
        output = block = b""
        counter = 0
        while len(output) < length:
            counter += 1
            block = hmac.digest(prk, b"%b%b%c" % (block, info, counter), self._hash_name)
            output += block
        return output[:length]


# -- DHKEM -----------------------------------------------------------------------------------------


class _Dhkem:
    """What the mechanisms of section 4.1 share."""

    def __init__(self, code: Kem, hash_name: str, public_length: int, private_length: int) -> None:
        self.public_length = public_length
        self.private_length = private_length
        self.labels = _LabeledKdf(hash_name, b"KEM" + code.to_bytes(2, "big"))

    def shared_secret(self, dh: bytes, context: bytes) -> bytes:
        """ExtractAndExpand."""
        labels = self.labels
        prk = labels.extract(b"", b"eae_prk", dh)
        return labels.expand(prk, b"shared_secret", context, labels.hash_length)

    def exchange(self, private_key: PrivateKey, public_key: bytes) -> bytes:
        """DH, with the checks that section 7.1.4 demands of either side."""
        if len(public_key) != self.public_length:
            raise HpkeError(
                f"the public key is {len(public_key)} bytes long instead of {self.public_length}"
            )
        try:
            return self.agree(private_key, public_key)
        except ValueError:
            raise HpkeError("the public key is not valid") from None

    def derive(self, ikm: bytes) -> PrivateKey:
        raise NotImplementedError

    def private_key(self, data: bytes) -> PrivateKey:
        raise NotImplementedError

    def agree(self, private_key: PrivateKey, public_key: bytes) -> bytes:
        raise NotImplementedError


class _X25519Kem(_Dhkem):
    def derive(self, ikm: bytes) -> PrivateKey:
        prk = self.labels.extract(b"", b"dkp_prk", ikm)
        return self.private_key(self.labels.expand(prk, b"sk", b"", self.private_length))

    def private_key(self, data: bytes) -> PrivateKey:
        return x25519.X25519PrivateKey.from_private_bytes(data)

    def agree(self, private_key: PrivateKey, public_key: bytes) -> bytes:
        if not isinstance(private_key, x25519.X25519PrivateKey):
            raise TypeError("the private key is not one of X25519")
        # An all-zero result, which section 7.1.4 demands to refuse, is a ValueError.
        return private_key.exchange(x25519.X25519PublicKey.from_public_bytes(public_key))


class _NistKem(_Dhkem):
    def __init__(
        self, code: Kem, hash_name: str, length: int, curve: ec.EllipticCurve, mask: int
    ) -> None:
        super().__init__(code, hash_name, 2 * length + 1, length)
        self.curve = curve
        self.mask = mask
        """Of the first byte of a candidate: P-521 has one bit there."""

    def derive(self, ikm: bytes) -> PrivateKey:
        prk = self.labels.extract(b"", b"dkp_prk", ikm)
        for counter in range(256):
            data = self.labels.expand(prk, b"candidate", bytes([counter]), self.private_length)
            number = int.from_bytes(bytes([data[0] & self.mask]) + data[1:], "big")
            if 0 < number < self.curve.group_order:
                return ec.derive_private_key(number, self.curve)
        raise HpkeError("no key can be derived from this input")  # DeriveKeyPairError

    def private_key(self, data: bytes) -> PrivateKey:
        number = int.from_bytes(data, "big")
        if not 0 < number < self.curve.group_order:
            raise ValueError("it is not within the order of the group")
        return ec.derive_private_key(number, self.curve)

    def agree(self, private_key: PrivateKey, public_key: bytes) -> bytes:
        if not isinstance(private_key, ec.EllipticCurvePrivateKey):
            raise TypeError(f"the private key is not one of {self.curve.name}")
        if public_key[0] != 4:
            raise ValueError("not an uncompressed point")
        point = ec.EllipticCurvePublicKey.from_encoded_point(self.curve, public_key)
        return private_key.exchange(ec.ECDH(), point)


_HASH_LENGTHS = {"sha256": 32, "sha384": 48, "sha512": 64}
_HASHES: dict[int, str] = {
    Kdf.HKDF_SHA256: "sha256",
    Kdf.HKDF_SHA384: "sha384",
    Kdf.HKDF_SHA512: "sha512",
}
_AEADS: dict[int, tuple[type[AESGCM | ChaCha20Poly1305], int]] = {
    Aead.AES_128_GCM: (AESGCM, 16),
    Aead.AES_256_GCM: (AESGCM, 32),
    Aead.CHACHA20_POLY1305: (ChaCha20Poly1305, 32),
}
_KEMS: dict[int, _Dhkem] = {
    Kem.DHKEM_X25519_HKDF_SHA256: _X25519Kem(Kem.DHKEM_X25519_HKDF_SHA256, "sha256", 32, 32),
    Kem.DHKEM_P256_HKDF_SHA256: _NistKem(
        Kem.DHKEM_P256_HKDF_SHA256, "sha256", 32, ec.SECP256R1(), 0xFF
    ),
    Kem.DHKEM_P384_HKDF_SHA384: _NistKem(
        Kem.DHKEM_P384_HKDF_SHA384, "sha384", 48, ec.SECP384R1(), 0xFF
    ),
    Kem.DHKEM_P521_HKDF_SHA512: _NistKem(
        Kem.DHKEM_P521_HKDF_SHA512, "sha512", 66, ec.SECP521R1(), 0x01
    ),
}
