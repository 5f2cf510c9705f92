"""The key schedule of TLS 1.2: RFC 5246, sections 5 and 8, with the extended master secret of
RFC 7627, for AEAD suites.

Here as in TLS 1.3 everything comes from one-shot HMACs. The pseudorandom function's hash is the
suite's own (RFC 5246, section 5; RFC 5289, section 3).
"""

from __future__ import annotations

import hmac
from typing import Literal, NamedTuple

from ..errors import UsageError
from .suites import Suite

VERIFY_DATA_LENGTH = 12
"""Bytes in a Finished (RFC 5246, section 7.4.9)."""

RESERVED_LABELS = frozenset(
    (
        b"client finished",
        b"server finished",
        b"master secret",
        b"extended master secret",
        b"key expansion",
    )
)
"""Labels that the protocol itself uses; an exporter must not (RFC 5705, section 4)."""


class KeyBlock(NamedTuple):
    """Both directions' keys: each the AEAD's key and the fixed part of its nonce."""

    client: tuple[bytes, bytes]
    server: tuple[bytes, bytes]


def prf(hash_name: str, secret: bytes, label: bytes, seed: bytes, length: int) -> bytes:
    """The pseudorandom function of RFC 5246, section 5: *length* bytes."""
    seed = label + seed
    chain = hmac.digest(secret, seed, hash_name)
    output = hmac.digest(secret, chain + seed, hash_name)
    while len(output) < length:
        chain = hmac.digest(secret, chain, hash_name)
        output += hmac.digest(secret, chain + seed, hash_name)
    return output[:length]


def master_secret(
    suite: Suite, shared_secret: bytes, client_random: bytes, server_random: bytes
) -> bytes:
    """The master secret without RFC 7627's extension (RFC 5246, section 8.1)."""
    seed = client_random + server_random
    return prf(suite.hash_name, shared_secret, b"master secret", seed, 48)


def extended_master_secret(suite: Suite, shared_secret: bytes, session_hash: bytes) -> bytes:
    """The master secret bound to the handshake (RFC 7627, section 4).

    *session_hash* is the transcript's, up to and with ClientKeyExchange.
    """
    return prf(suite.hash_name, shared_secret, b"extended master secret", session_hash, 48)


def key_block(suite: Suite, master: bytes, client_random: bytes, server_random: bytes) -> KeyBlock:
    """The keys of both directions (RFC 5246, section 6.3). AEADs have no MAC keys."""
    key, iv = suite.key_length, suite.fixed_iv_length
    seed = server_random + client_random  # the other way round than everywhere else
    block = prf(suite.hash_name, master, b"key expansion", seed, 2 * (key + iv))
    ivs = 2 * key
    return KeyBlock(
        (block[:key], block[ivs : ivs + iv]),
        (block[key:ivs], block[ivs + iv :]),
    )


def finished(
    suite: Suite, master: bytes, sender: Literal["client", "server"], digest: bytes
) -> bytes:
    """The verify_data of a side's Finished (RFC 5246, section 7.4.9)."""
    label = b"client finished" if sender == "client" else b"server finished"
    return prf(suite.hash_name, master, label, digest, VERIFY_DATA_LENGTH)


def export(
    suite: Suite,
    master: bytes,
    label: str | bytes,
    context: bytes | None,
    length: int,
    client_random: bytes,
    server_random: bytes,
) -> bytes:
    """Keying material for an application (RFC 5705, section 4), *length* bytes.

    No context and an empty one give different results. Raises UsageError for a label of the
    protocol's own, or a context of 65536 bytes and more.
    """
    name = label.encode() if isinstance(label, str) else bytes(label)
    if name in RESERVED_LABELS:
        raise UsageError(f"the label {name.decode()!r} is TLS's own and cannot be exported")
    if length < 0:
        raise UsageError(f"length={length} is negative")
    seed = client_random + server_random
    if context is not None:
        if len(context) > 0xFFFF:
            raise UsageError(f"an exporter's context has at most 65535 bytes, not {len(context)}")
        seed += len(context).to_bytes(2, "big") + context
    return prf(suite.hash_name, master, name, seed, length)
