"""SSLObject and SSLSocket: the standard library's own, with what it lacks."""

from __future__ import annotations

import ssl
from typing import Any

from cryptography import x509

from ..errors import UsageError
from .buffers import BufferEngine
from .engine import ENCODING_DER, Engine


class _Additions:
    """What both have besides the standard library's methods."""

    _sslobj: Any

    def get_verified_chain(self) -> list[bytes]:
        """The path that was verified, in DER, the anchor last (Python 3.13 has it too)."""
        return [c.public_bytes(ENCODING_DER) for c in self._engine().get_verified_chain() or ()]

    def get_unverified_chain(self) -> list[bytes]:
        """The certificates that the peer sent, in DER (Python 3.13 has it too)."""
        return [c.public_bytes(ENCODING_DER) for c in self._engine().get_unverified_chain() or ()]

    def verified_certificates(self) -> tuple[x509.Certificate, ...]:
        """The path that was verified, as ``cryptography`` has certificates."""
        return self._engine().verified_certificates()

    def export_keying_material(
        self, label: str | bytes, length: int, context: bytes | None = None
    ) -> bytes:
        """*length* bytes that both sides share and no one else knows (RFC 8446, section 7.5)."""
        return self._engine().connection.export_keying_material(label, length, context)

    def group(self) -> str | None:
        """The key exchange: ``X25519MLKEM768``."""
        return self._engine().group()

    def client_sigalg(self) -> str | None:
        """The signature scheme with which the client proved who it is; None if it did not."""
        return self._engine().client_sigalg()

    def server_sigalg(self) -> str | None:
        """The signature scheme with which the server proved who it is."""
        return self._engine().server_sigalg()

    def ocsp_response(self) -> bytes | None:
        """The OCSP response that the peer stapled to its certificate, DER."""
        peer = self._engine().connection.peer
        return peer.staple if peer is not None else None

    @property
    def truncated(self) -> bool:
        """Whether the stream ended without close_notify, and that was let pass."""
        return self._engine().connection.truncated

    def _engine(self) -> Engine:
        engine = self._sslobj
        if not isinstance(engine, Engine):
            raise ValueError("there is no TLS connection here")
        return engine


class SSLObject(_Additions, ssl.SSLObject):
    """``ssl.SSLObject``, and what it lacks."""

    def write(self, data: Any) -> int:
        """Seals *data* into the outgoing buffer, all of it."""
        # The event loops' own TLS calls this for every small write, so that what is usual is done
        # here, and passed on to nobody but the connection.
        engine = self._sslobj
        if type(data) is not bytes or type(engine) is not BufferEngine:
            return engine.write(data)  # type: ignore[no-any-return]
        try:
            sealed = engine.connection.seal(data)
        except UsageError:
            return engine.write(data)
        engine.outgoing.write(sealed)
        return len(data)


class SSLSocket(_Additions, ssl.SSLSocket):
    """``ssl.SSLSocket``, and what it lacks."""

    def get_channel_binding(self, cb_type: str = "tls-unique") -> bytes | None:
        """A channel binding (RFC 9266, RFC 5929); None where the connection has none."""
        if self._sslobj is None:
            return None
        return self._engine().get_channel_binding(cb_type)
