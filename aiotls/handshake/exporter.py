"""What both sides can derive from a finished handshake, and no one else: exporters and channel
bindings.
"""

from __future__ import annotations

import hashlib

from ..crypto import schedule12, schedule13
from ..enums import ProtocolVersion
from ..errors import UsageError
from ..trust import parse_certificate
from .established import Established


def export_keying_material(
    result: Established, label: str | bytes, length: int, context: bytes | None
) -> bytes:
    """RFC 8446, section 7.5; in TLS 1.2 RFC 5705, where no context and an empty one differ.

    Raises UsageError for a length that cannot be had, and in TLS 1.2 where the session's secret
    is not bound to its handshake.
    """
    suite = result.suite
    if not 0 < length <= 255 * suite.hash_length:
        raise UsageError(f"length={length} is not within 1 to {255 * suite.hash_length}")
    if result.version is ProtocolVersion.TLSv1_3:
        return schedule13.export(suite, result.exporter_secret, label, context or b"", length)
    if not result.extended_master_secret:  # RFC 7627, section 5.4
        raise UsageError("without the extended master secret nothing may be exported")
    secret = result.exporter_secret
    return schedule12.export(suite, secret, label, context, length, *result.randoms)


def channel_binding(result: Established, kind: str, server_side: bool) -> bytes:
    """RFC 9266 (``tls-exporter``) and RFC 5929 (``tls-server-end-point``, ``tls-unique``).

    Raises UsageError for another kind, and for one that this connection has not.
    """
    if kind == "tls-exporter":
        # RFC 9266, section 2: the context is empty, which in TLS 1.2 is not the same as none.
        return export_keying_material(result, b"EXPORTER-Channel-Binding", 32, b"")
    if kind == "tls-server-end-point":
        shown = result.identity if server_side else result.peer
        if shown is None or not shown.chain:
            raise UsageError("tls-server-end-point needs the server's certificate")
        return _end_point_hash(shown.chain[0])
    if kind == "tls-unique" and result.version is not ProtocolVersion.TLSv1_3:
        if not result.extended_master_secret:  # RFC 7627, section 1: without, it is not unique
            raise UsageError("tls-unique needs the extended master secret")
        return result.first_finished
    raise UsageError(f"the channel binding {kind!r} is not available on this connection")


def _end_point_hash(der: bytes) -> bytes:
    """RFC 5929, section 4.1: the certificate under its signature's hash, SHA-256 at least."""
    algorithm = parse_certificate(der).signature_hash_algorithm
    name = algorithm.name if algorithm is not None else "sha256"
    if name in ("md5", "sha1"):
        name = "sha256"
    return hashlib.new(name, der).digest()
