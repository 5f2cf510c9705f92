"""The key schedule of TLS 1.3: RFC 8446, section 7.

Each stage is a type of its own that leads only to the next one, so that no secret can be taken
from the wrong place::

                     0
                     |
                     v
         PSK ->  HKDF-Extract = EarlySecret
                     |
                     +-----> "ext binder" | "res binder" | "imp binder"  binder_key()
                     +-----> "c e traffic"   client_early_traffic(CH)
                     +-----> "e exp master"  early_exporter(CH)
                     v
               "derived", ""
                     |
                     v
      (EC)DHE -> HKDF-Extract = HandshakeSecret
                     |
                     +-----> "c hs traffic"  client_traffic(CH..SH)
                     +-----> "s hs traffic"  server_traffic(CH..SH)
                     v
               "derived", ""
                     |
                     v
           0 -> HKDF-Extract = MasterSecret
                     |
                     +-----> "c ap traffic"  client_traffic(CH..server Finished)
                     +-----> "s ap traffic"  server_traffic(CH..server Finished)
                     +-----> "exp master"    exporter(CH..server Finished)
                     +-----> "res master"    resumption(CH..client Finished)

What a method takes is the hash of the transcript of the messages in brackets. HKDF (RFC 5869)
is one HMAC for nearly every output, as that is no longer than a hash. A handshake takes forty of
them, up to four under one secret, so that each secret is prepared once (:func:`_keyed`).
"""

from __future__ import annotations

import functools
import hashlib
from collections.abc import Callable

from ..errors import UsageError
from .suites import Suite

MAX_LABEL = 255 - len(b"tls13 ")
"""The longest label, in bytes: with its prefix it has to fit HkdfLabel's ``label<7..255>``."""


def expand_label(hash_name: str, secret: bytes, label: bytes, context: bytes, length: int) -> bytes:
    """HKDF-Expand-Label of RFC 8446, section 7.1.

    *context* has at most 255 bytes, *length* is at most 255 times the hash's; a longer one is a
    ValueError or an OverflowError, as it never comes from a peer.
    """
    key = _keyed(hash_name, secret)
    info = _label(label, len(context), length) + context
    block = _hmac(key, info + b"\x01")
    if length <= len(block):
        return block if length == len(block) else block[:length]
    output = [block]
    for counter in range(2, -(-length // len(block)) + 1):
        block = _hmac(key, b"%b%b%c" % (block, info, counter))
        output.append(block)
    return b"".join(output)[:length]


class EarlySecret:
    """The first stage, from a pre-shared key or from nothing."""

    __slots__ = ("_derived", "_key", "_secret", "_suite")

    def __init__(self, suite: Suite, psk: bytes | None = None) -> None:
        self._suite = suite
        if psk is None:
            self._secret, self._key, self._derived = _without_psk(suite.hash_name)
        else:
            self._secret = _hmac(_zeros(suite.hash_name), psk)
            self._key = _keyed(suite.hash_name, self._secret)
            self._derived = None

    def binder_key(self, *, external: bool = False, imported: bool = False) -> bytes:
        """The key for :func:`finished` that makes a PSK's binder (section 4.2.11.2).

        A key from a ticket is the usual case; *external* ones and those *imported* as RFC 9258,
        section 5.2 has it are labelled differently, so that none passes for another.
        """
        label = b"imp binder" if imported else b"ext binder" if external else b"res binder"
        return _derive(self._suite, self._key, label, _empty_hash(self._suite.hash_name))

    def client_early_traffic(self, digest: bytes) -> bytes:
        """client_early_traffic_secret: protects 0-RTT data."""
        return _derive(self._suite, self._key, b"c e traffic", digest)

    def early_exporter(self, digest: bytes) -> bytes:
        """early_exporter_master_secret."""
        return _derive(self._suite, self._key, b"e exp master", digest)

    def handshake(self, shared_secret: bytes | None) -> HandshakeSecret:
        """The next stage, with the result of the key exchange; None where there was none."""
        suite = self._suite
        derived = self._derived
        if derived is None:
            secret = _derive(suite, self._key, b"derived", _empty_hash(suite.hash_name))
            derived = _keyed(suite.hash_name, secret)
        if shared_secret is None:  # psk_ke: a string of zeros stands in (section 7.1)
            shared_secret = bytes(suite.hash_length)
        return HandshakeSecret(suite, _hmac(derived, shared_secret))


class HandshakeSecret:
    """The second stage: protects what follows ServerHello."""

    __slots__ = ("_key", "_secret", "_suite")

    def __init__(self, suite: Suite, secret: bytes) -> None:
        self._suite = suite
        self._secret = secret
        self._key = _keyed(suite.hash_name, secret)

    def client_traffic(self, digest: bytes) -> bytes:
        """client_handshake_traffic_secret."""
        return _derive(self._suite, self._key, b"c hs traffic", digest)

    def server_traffic(self, digest: bytes) -> bytes:
        """server_handshake_traffic_secret."""
        return _derive(self._suite, self._key, b"s hs traffic", digest)

    def master(self) -> MasterSecret:
        """The last stage."""
        suite = self._suite
        derived = _derive(suite, self._key, b"derived", _empty_hash(suite.hash_name))
        return MasterSecret(suite, _extract(suite.hash_name, derived, bytes(suite.hash_length)))


class MasterSecret:
    """The last stage: protects application data. RFC 9846 calls it the main secret."""

    __slots__ = ("_key", "_secret", "_suite")

    def __init__(self, suite: Suite, secret: bytes) -> None:
        self._suite = suite
        self._secret = secret
        self._key = _keyed(suite.hash_name, secret)

    def client_traffic(self, digest: bytes) -> bytes:
        """client_application_traffic_secret_0."""
        return _derive(self._suite, self._key, b"c ap traffic", digest)

    def server_traffic(self, digest: bytes) -> bytes:
        """server_application_traffic_secret_0."""
        return _derive(self._suite, self._key, b"s ap traffic", digest)

    def exporter(self, digest: bytes) -> bytes:
        """exporter_master_secret, for :func:`export`."""
        return _derive(self._suite, self._key, b"exp master", digest)

    def resumption(self, digest: bytes) -> bytes:
        """resumption_master_secret, for :func:`resumption_psk`."""
        return _derive(self._suite, self._key, b"res master", digest)


def traffic_keys(suite: Suite, secret: bytes) -> tuple[bytes, bytes]:
    """The key and the nonce's constant part for one direction (section 7.3)."""
    length = suite.key_length
    key_info, iv_info = _traffic_infos(length)
    key = _keyed(suite.hash_name, secret)
    return _hmac(key, key_info)[:length], _hmac(key, iv_info)[:12]


def next_traffic_secret(suite: Suite, secret: bytes) -> bytes:
    """The secret that follows a KeyUpdate (section 7.2)."""
    return expand_label(suite.hash_name, secret, b"traffic upd", b"", suite.hash_length)


def finished(suite: Suite, secret: bytes, digest: bytes) -> bytes:
    """The verify_data of a Finished, or a PSK's binder (sections 4.4.4 and 4.2.11.2).

    *secret* is the sender's traffic secret, or the binder key.
    """
    hash_name = suite.hash_name
    key = _hmac(_keyed(hash_name, secret), _finished_info(suite.hash_length))
    return _hmac(_keyed(hash_name, key), digest)


def resumption_psk(suite: Suite, resumption_secret: bytes, nonce: bytes) -> bytes:
    """The pre-shared key that goes with a ticket (section 4.6.1)."""
    return expand_label(suite.hash_name, resumption_secret, b"resumption", nonce, suite.hash_length)


def import_psk(
    identity: bytes, secret: bytes, hash_name: str, context: bytes, target: str
) -> tuple[bytes, bytes]:
    """The identity and the key that an external key is imported as: RFC 9258, section 5.1.

    *hash_name* goes with the external key, *target* with the suites that it shall be used with.
    """
    kdf = {"sha256": 1, "sha384": 2}[target]
    imported = b"".join(
        (
            len(identity).to_bytes(2, "big"),
            identity,
            len(context).to_bytes(2, "big"),
            context,
            (0x0304).to_bytes(2, "big"),
            kdf.to_bytes(2, "big"),
        )
    )
    size = hashlib.new(hash_name).digest_size
    extracted = _extract(hash_name, bytes(size), secret)
    digest = hashlib.new(hash_name, imported).digest()
    length = hashlib.new(target).digest_size
    return imported, expand_label(hash_name, extracted, b"derived psk", digest, length)


def export(
    suite: Suite, exporter_secret: bytes, label: str | bytes, context: bytes, length: int
) -> bytes:
    """Keying material for an application (section 7.5), *length* bytes.

    Raises UsageError for a label that is too long or a length out of range.
    """
    name = label.encode() if isinstance(label, str) else bytes(label)
    if len(name) > MAX_LABEL:
        raise UsageError(f"an exporter's label has at most {MAX_LABEL} bytes, not {len(name)}")
    if not 0 <= length <= 255 * suite.hash_length:
        raise UsageError(f"length={length} is not within 0 to {255 * suite.hash_length}")
    hash_name = suite.hash_name
    secret = _derive(suite, _keyed(hash_name, exporter_secret), name, _empty_hash(hash_name))
    digest = hashlib.new(hash_name, context).digest()
    return expand_label(hash_name, secret, b"exporter", digest, length)


def _derive(suite: Suite, key: _Keyed, label: bytes, digest: bytes) -> bytes:
    """Derive-Secret, with the transcript's hash in place of the messages."""
    length = suite.hash_length
    return _hmac(key, _label(label, length, length) + digest + b"\x01")


_Keyed = tuple[Callable[[bytes], "hashlib._Hash"], bytes, bytes]
"""A secret that is ready to be HMAC's key: the hash, and the key in its two forms (RFC 2104)."""


def _keyed(hash_name: str, secret: bytes) -> _Keyed:
    hash, size = _HASHES[hash_name]
    if len(secret) > size:
        secret = hash(secret).digest()
    padded = secret.ljust(size, b"\0")
    return hash, padded.translate(_INNER), padded.translate(_OUTER)


def _hmac(key: _Keyed, data: bytes) -> bytes:
    """HMAC as it is defined. Two hashes take half the time of OpenSSL's HMAC(), which looks for
    its algorithms by name, again at each call.
    """
    hash, inner, outer = key
    return hash(outer + hash(inner + data).digest()).digest()


def _extract(hash_name: str, salt: bytes, secret: bytes) -> bytes:
    """HKDF-Extract (RFC 5869, section 2.2)."""
    return _hmac(_keyed(hash_name, salt), secret)


_HASHES: dict[str, tuple[Callable[[bytes], hashlib._Hash], int]] = {
    "sha256": (hashlib.sha256, 64),
    "sha384": (hashlib.sha384, 128),
}
"""Each hash and the size of its blocks."""

_INNER = bytes(byte ^ 0x36 for byte in range(256))
_OUTER = bytes(byte ^ 0x5C for byte in range(256))


@functools.lru_cache(maxsize=256)
def _label(label: bytes, context_length: int, length: int) -> bytes:
    """HkdfLabel up to the context: the same few values in every handshake."""
    return b"%b%ctls13 %b%c" % (length.to_bytes(2, "big"), 6 + len(label), label, context_length)


@functools.cache
def _traffic_infos(length: int) -> tuple[bytes, bytes]:
    return _label(b"key", 0, length) + b"\x01", _label(b"iv", 0, 12) + b"\x01"


@functools.cache
def _finished_info(length: int) -> bytes:
    return _label(b"finished", 0, length) + b"\x01"


@functools.cache
def _zeros(hash_name: str) -> _Keyed:
    """The salt of the first stage."""
    return _keyed(hash_name, bytes(len(_empty_hash(hash_name))))


@functools.cache
def _empty_hash(hash_name: str) -> bytes:
    return hashlib.new(hash_name).digest()


@functools.cache
def _without_psk(hash_name: str) -> tuple[bytes, _Keyed, _Keyed | None]:
    """Without a PSK the first stage is a constant, and so is what it hands to the next."""
    empty = _empty_hash(hash_name)
    zeros = bytes(len(empty))
    secret = _extract(hash_name, zeros, zeros)
    derived = expand_label(hash_name, secret, b"derived", empty, len(empty))
    return secret, _keyed(hash_name, secret), _keyed(hash_name, derived)
