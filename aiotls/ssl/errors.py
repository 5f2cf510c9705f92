"""The engine's errors as the exceptions of the standard library's ssl.

Programs look at the class, at ``errno``, ``reason``, ``library``, ``verify_code`` and
``verify_message``, and at words in the text; all of these are OpenSSL's here. What the engine
knows beyond that (who did what, and what to do about it) stands in a note below the traceback
and in ``hint``.
"""

from __future__ import annotations

import ssl
from typing import TypeVar

from ..enums import Alert
from ..errors import AlertReceived, CertificateError, TLSError, Truncated
from ..reasons import openssl_name
from .hints import in_contexts

E = TypeVar("E", bound=ssl.SSLError)

WANT_READ = int(ssl.SSL_ERROR_WANT_READ)

# OpenSSL's names for alerts from the peer: those of SSL 3.0, those that TLS 1.0 brought, and
# those of TLS 1.3 (RFC 8446, section 6).
_SSLV3_ALERTS = frozenset({10, 20, 30, 40, 41, 42, 43, 44, 45, 46, 47})
_TLSV13_ALERTS = frozenset({Alert.MISSING_EXTENSION, Alert.CERTIFICATE_REQUIRED})
_EXTENSION_ALERTS = frozenset({110, 111, 112, 113, 114})
_SPELLED = {Alert.USER_CANCELED: "USER_CANCELLED"}


def alert_reason(alert: int) -> str | None:
    """OpenSSL's reason for a fatal alert from the peer: ``TLSV1_ALERT_UNKNOWN_CA``.

    None for one that is in no specification: its number is in the error's note.
    """
    if alert not in list(Alert):
        return None
    name = _SPELLED.get(Alert(alert), Alert(alert).name)
    if alert in _SSLV3_ALERTS:
        return f"SSLV3_ALERT_{name}"
    if alert in _TLSV13_ALERTS:
        return f"TLSV13_ALERT_{name}"
    return f"TLSV1_{name}" if alert in _EXTENSION_ALERTS else f"TLSV1_ALERT_{name}"


def make(
    kind: type[E],
    number: int,
    text: str,
    *,
    library: str | None = None,
    reason: str | None = None,
    hint: str | None = None,
) -> E:
    """An exception with the attributes that those of the standard library have."""
    if reason is not None:
        text = f"[{library}: {reason}] {text}"
    elif library is not None:
        text = f"[{library}] {text}"
    error = kind(int(number), text)  # a plain number, as there: people log and pickle it
    error.library = library or ""
    error.reason = reason or ""
    if library is None:
        error.library = None  # type: ignore[assignment]
    if reason is None:
        error.reason = None  # type: ignore[assignment]
    error.hint = hint  # type: ignore[attr-defined]
    if hint:
        error.add_note(hint)
    return error


def refusal(text: str, hint: str | None = None) -> ssl.SSLError:
    """The error for a setting that this engine cannot honour, raised when it is made."""
    return make(ssl.SSLError, ssl.SSL_ERROR_SSL, text, hint=hint)


def failure(
    reason: str,
    text: str | None = None,
    *,
    library: str = "SSL",
    number: int = int(ssl.SSL_ERROR_SSL),
) -> ssl.SSLError:
    """An SSLError with OpenSSL's *reason*, whose text is the reason in small letters.

    Its errno is *number*: outside of connections the standard library has OpenSSL's own number
    for the reason there.
    """
    text = reason.lower().replace("_", " ") if text is None else text
    return make(ssl.SSLError, number, text, library=library, reason=reason)


def want_read() -> ssl.SSLWantReadError:
    """More bytes from the peer are needed."""
    # Raised after each read of the event loops' own TLS: made without make()'s many questions.
    error = ssl.SSLWantReadError(WANT_READ, "The operation did not complete (read)")
    error.library = error.reason = None  # type: ignore[assignment]
    error.hint = None  # type: ignore[attr-defined]
    return error


def want_write() -> ssl.SSLWantWriteError:
    """Bytes have to leave first."""
    return make(
        ssl.SSLWantWriteError, ssl.SSL_ERROR_WANT_WRITE, "The operation did not complete (write)"
    )


def closed() -> ssl.SSLZeroReturnError:
    """The peer has sent close_notify, at the end or in the middle of the handshake."""
    return make(
        ssl.SSLZeroReturnError,
        ssl.SSL_ERROR_ZERO_RETURN,
        "TLS/SSL connection has been closed (EOF)",
    )


def end_of_file() -> ssl.SSLEOFError:
    """The stream has ended without close_notify (RFC 8446, section 6.1)."""
    return make(
        ssl.SSLEOFError,
        ssl.SSL_ERROR_EOF,
        "EOF occurred in violation of protocol",
        library="SSL",
        reason="UNEXPECTED_EOF_WHILE_READING",
    )


def _reason(reason: str) -> str:
    if reason == "APP_DATA_IN_HANDSHAKE":  # so only for those who read in the middle of one
        return "UNEXPECTED_RECORD"
    return openssl_name(reason) or "INTERNAL_ERROR"


def translate(error: TLSError) -> ssl.SSLError:
    """The standard library's exception for an error of the engine's."""
    translated: ssl.SSLError
    if isinstance(error, CertificateError):
        translated = make(
            ssl.SSLCertVerificationError,
            ssl.SSL_ERROR_SSL,
            f"certificate verify failed: {error.verify_message}",
            library="SSL",
            reason="CERTIFICATE_VERIFY_FAILED",
        )
        translated.verify_code = error.verify_code
        translated.verify_message = error.verify_message
    elif isinstance(error, Truncated):
        translated = closed() if error.close_notify else end_of_file()
    elif isinstance(error, AlertReceived):
        reason = alert_reason(error.alert)
        translated = (
            make(ssl.SSLError, ssl.SSL_ERROR_SSL, "unknown error", library="SSL")
            if reason is None
            else failure(reason)
        )
    else:
        translated = failure(_reason(error.reason))
    if error.message not in str(translated):
        translated.add_note(error.message)
    hint = in_contexts(error.hint) if error.hint else error.hint
    translated.hint = hint  # type: ignore[attr-defined]
    if hint:
        translated.add_note(hint)
    translated.__cause__ = error
    return translated
