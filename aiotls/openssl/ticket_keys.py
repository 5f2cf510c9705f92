"""Ticket keys that the application keeps: SSL_CTX_set_tlsext_ticket_key_cb(3).

The callback names a key, and makes two contexts ready with it: one for the cipher and one for the
MAC. Tickets have the form that RFC 5077, section 4, recommends, and libssl's have.
"""

from __future__ import annotations

import hmac
import os
from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.padding import PKCS7

from ..enums import Alert
from ..errors import ProtocolError
from .arguments import check_int, input_view, output_view
from .bio_kinds import Readable, Writable
from .context import SSL_CTX, Callback, check_callback, check_ctx

if TYPE_CHECKING:
    from .connection import SSL

_NAME = 16
_IV = 16
_BLOCK = 16

TLSEXT_KEYNAME_LENGTH = 16
EVP_MAX_IV_LENGTH = 16
OSSL_MAC_PARAM_KEY = "key"
OSSL_MAC_PARAM_DIGEST = "digest"


@dataclass(frozen=True)
class EVP_CIPHER:
    """A cipher for tickets."""

    name: str
    key_length: int


@dataclass(frozen=True)
class EVP_MD:
    """A hash for the MAC of tickets."""

    name: str
    size: int


class EVP_CIPHER_CTX:
    """What a ticket is encrypted or decrypted with, once the callback has made it ready."""

    def __init__(self) -> None:
        self.key = b""
        self.iv = b""

    def __repr__(self) -> str:
        return f"<EVP_CIPHER_CTX{' with a key' if self.key else ''}>"

    def encrypt(self, data: bytes) -> bytes:
        """CBC, with PKCS #7 padding."""
        padder = PKCS7(_BLOCK * 8).padder()
        encryptor = Cipher(algorithms.AES(self.key), modes.CBC(self.iv)).encryptor()
        return encryptor.update(padder.update(data) + padder.finalize()) + encryptor.finalize()

    def decrypt(self, data: bytes) -> bytes:
        """The inverse; ValueError where that is not possible."""
        decryptor = Cipher(algorithms.AES(self.key), modes.CBC(self.iv)).decryptor()
        unpadder = PKCS7(_BLOCK * 8).unpadder()
        padded = decryptor.update(data) + decryptor.finalize()
        return unpadder.update(padded) + unpadder.finalize()


class HMAC_CTX:
    """What the MAC of a ticket is made with, once the callback has made it ready."""

    def __init__(self) -> None:
        self.key = b""
        self.digest: EVP_MD | None = None

    def __repr__(self) -> str:
        return f"<{type(self).__name__}{' with a key' if self.key else ''}>"

    def mac(self, data: bytes) -> bytes:
        """HMAC (RFC 2104)."""
        if self.digest is None:
            raise _failure("the ticket key callback has not made the MAC ready")
        return hmac.digest(self.key, data, self.digest.name)


class EVP_MAC_CTX(HMAC_CTX):
    """The same, for SSL_CTX_set_tlsext_ticket_key_evp_cb()."""


class OSSL_PARAM(NamedTuple):
    """A parameter of a MAC's; an empty key ends a list of them."""

    key: str
    data: bytes | str


_MD = {name: EVP_MD(name, size) for name, size in (("sha256", 32), ("sha384", 48), ("sha512", 64))}
_CIPHERS = {size: EVP_CIPHER(f"AES-{size}-CBC", size // 8) for size in (128, 192, 256)}


def EVP_aes_128_cbc() -> EVP_CIPHER:
    """AES with a key of 16 bytes."""
    return _CIPHERS[128]


def EVP_aes_192_cbc() -> EVP_CIPHER:
    """AES with a key of 24 bytes."""
    return _CIPHERS[192]


def EVP_aes_256_cbc() -> EVP_CIPHER:
    """AES with a key of 32 bytes."""
    return _CIPHERS[256]


def EVP_sha256() -> EVP_MD:
    """SHA-256."""
    return _MD["sha256"]


def EVP_sha384() -> EVP_MD:
    """SHA-384."""
    return _MD["sha384"]


def EVP_sha512() -> EVP_MD:
    """SHA-512."""
    return _MD["sha512"]


def RAND_bytes(buf: Writable, num: int) -> int:
    """*num* bytes that no one can guess, for names, keys and IVs."""
    view = output_view(buf, num)
    view[:] = os.urandom(len(view))
    return 1


def EVP_EncryptInit_ex(
    ctx: EVP_CIPHER_CTX, cipher: EVP_CIPHER, impl: None, key: Readable, iv: Readable
) -> int:
    """Makes *ctx* ready to encrypt."""
    if not isinstance(ctx, EVP_CIPHER_CTX):
        raise TypeError(f"an EVP_CIPHER_CTX is expected, not {type(ctx).__name__}")
    if not isinstance(cipher, EVP_CIPHER):
        raise TypeError(f"an EVP_CIPHER is expected, not {type(cipher).__name__}")
    ctx.key = bytes(input_view(key, cipher.key_length))
    ctx.iv = bytes(input_view(iv, _IV))
    return 1


def EVP_DecryptInit_ex(
    ctx: EVP_CIPHER_CTX, cipher: EVP_CIPHER, impl: None, key: Readable, iv: Readable
) -> int:
    """Makes *ctx* ready to decrypt."""
    return EVP_EncryptInit_ex(ctx, cipher, impl, key, iv)


def EVP_CipherInit_ex(
    ctx: EVP_CIPHER_CTX, cipher: EVP_CIPHER, impl: None, key: Readable, iv: Readable, enc: int
) -> int:
    """Makes *ctx* ready for either."""
    return EVP_EncryptInit_ex(ctx, cipher, impl, key, iv)


def HMAC_Init_ex(ctx: HMAC_CTX, key: Readable, length: int, md: EVP_MD, impl: None) -> int:
    """Makes *ctx* ready to make a MAC."""
    if not isinstance(ctx, HMAC_CTX):
        raise TypeError(f"an HMAC_CTX is expected, not {type(ctx).__name__}")
    if not isinstance(md, EVP_MD):
        raise TypeError(f"an EVP_MD is expected, not {type(md).__name__}")
    ctx.key, ctx.digest = bytes(input_view(key, check_int(length, "a length"))), md
    return 1


def OSSL_PARAM_construct_octet_string(key: str, buf: Readable, bsize: int) -> OSSL_PARAM:
    """A parameter that is bytes: ``("key", the key, its length)``."""
    return OSSL_PARAM(key, bytes(input_view(buf, bsize)))


def OSSL_PARAM_construct_utf8_string(key: str, buf: str, bsize: int) -> OSSL_PARAM:
    """A parameter that is text: ``("digest", "SHA256", 0)``."""
    return OSSL_PARAM(key, buf[:bsize] if bsize else buf)


def OSSL_PARAM_construct_end() -> OSSL_PARAM:
    """The end of a list of parameters."""
    return OSSL_PARAM("", b"")


def EVP_MAC_CTX_set_params(ctx: EVP_MAC_CTX, params: Iterable[OSSL_PARAM]) -> int:
    """Makes *ctx* ready to make a MAC: with a ``key`` and a ``digest``; 0 for an unknown one."""
    if not isinstance(ctx, EVP_MAC_CTX):
        raise TypeError(f"an EVP_MAC_CTX is expected, not {type(ctx).__name__}")
    for name, data in params:
        if not name:
            break
        if name == OSSL_MAC_PARAM_KEY:
            ctx.key = data.encode() if isinstance(data, str) else data
        elif name == OSSL_MAC_PARAM_DIGEST:
            text = data if isinstance(data, str) else data.decode("latin-1")
            found = _MD.get(text.lower().replace("sha2-", "sha").replace("-", ""))
            if found is None:
                return 0
            ctx.digest = found
    return 1


# -- the callbacks ---------------------------------------------------------------------------------


def SSL_CTX_set_tlsext_ticket_key_evp_cb(ctx: SSL_CTX, cb: Callback) -> int:
    """``cb(ssl, key_name, iv, ctx, hctx, enc)`` chooses the keys of tickets.

    With *enc* 1 it writes 16 bytes to each of the bytearrays *key_name* and *iv*, and makes the
    EVP_CIPHER_CTX and the EVP_MAC_CTX ready. It returns 1; 0 for no ticket; less to end the
    handshake. With *enc* 0 both hold what the ticket says. It makes the contexts ready with the key
    of that name and returns 1, or 2 if the client is to be given another ticket; 0 if the key is
    not known: then hands are shaken in full.
    """
    check_ctx(ctx).ticket_key_cb = check_callback(cb)
    ctx.ticket_key_evp = True
    return 1


def SSL_CTX_set_tlsext_ticket_key_cb(ctx: SSL_CTX, cb: Callback) -> int:
    """SSL_CTX_set_tlsext_ticket_key_evp_cb() of older programs: *hctx* is an HMAC_CTX."""
    check_ctx(ctx).ticket_key_cb = check_callback(cb)
    ctx.ticket_key_evp = False
    return 1


def seal(ssl: SSL, state: bytes) -> bytes:
    """A ticket under the application's keys; empty where it wants none. Raises ProtocolError."""
    name, iv = bytearray(_NAME), bytearray(_IV)
    answer, cipher, mac = _ask(ssl, name, iv, 1)
    if answer < 0:
        raise _failure("the ticket key callback failed", "CALLBACK_FAILED")
    if not answer:
        return b""
    if not cipher.key or len(name) != _NAME:
        raise _failure("the ticket key callback has not made the cipher ready")
    body = bytes(name) + bytes(iv[:_IV]) + cipher.encrypt(state)
    return body + mac.mac(body)


def unseal(ssl: SSL, ticket: bytes) -> tuple[bytes | None, bool]:
    """What is in a ticket, or None, and whether it is to be renewed. Raises ProtocolError."""
    if len(ticket) < _NAME + _IV:
        return None, False
    name, iv = bytearray(ticket[:_NAME]), bytearray(ticket[_NAME : _NAME + _IV])
    answer, cipher, mac = _ask(ssl, name, iv, 0)
    if answer < 0:
        raise _failure("the ticket key callback failed")
    if not answer:
        return None, False
    if not cipher.key or mac.digest is None:
        raise _failure("the ticket key callback has not made its contexts ready")
    place = len(ticket) - mac.digest.size
    if place <= _NAME + _IV:
        return None, False
    if not hmac.compare_digest(mac.mac(ticket[:place]), ticket[place:]):
        return None, False
    try:
        return cipher.decrypt(ticket[_NAME + _IV : place]), answer == 2
    except ValueError:
        return None, False


def _failure(message: str, reason: str = "") -> ProtocolError:
    return ProtocolError(Alert.INTERNAL_ERROR, message, reason=reason)


def _ask(
    ssl: SSL, name: bytearray, iv: bytearray, encrypts: int
) -> tuple[int, EVP_CIPHER_CTX, HMAC_CTX]:
    cipher = EVP_CIPHER_CTX()
    mac = EVP_MAC_CTX() if ssl.ctx.ticket_key_evp else HMAC_CTX()
    callback = ssl.ctx.ticket_key_cb
    if callback is None:
        raise _failure("there is no ticket key callback")
    answer = ssl.call(callback, ssl, name, iv, cipher, mac, encrypts, default=-1)
    return int(answer), cipher, mac
