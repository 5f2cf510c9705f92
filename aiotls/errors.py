"""What can go wrong, as types that say whose fault it was.

An error that ends a connection carries the alert that RFC 8446, section 6 names for
it; the one place that turns it into bytes for the peer is ``connection.py``. The
message (``str(exc)``) stays short and says who did what; what to do about it stands
in :attr:`TLSError.hint` and is shown below the traceback (PEP 678).

    TLSError
    ├── ProtocolError(alert)     the peer broke the protocol, or nothing was in common
    │   ├── DecodeError          bytes that are not the structure they claim to be
    │   ├── ECHRejected          the server has no key for the encrypted ClientHello
    │   └── CertificateError     the peer's certificate was refused
    ├── AlertReceived(alert)     the peer ended the connection and said why
    ├── Truncated                the stream ended without close_notify
    ├── PassedThrough            the application left the connection to another protocol
    └── UsageError               the caller's mistake; also a ValueError
"""

from __future__ import annotations

import contextlib

from .enums import Alert


class TLSError(OSError):
    """The base of every error of this package.

    *message* is one line, in plain words. *reason* is OpenSSL's name for the kind of
    failure (``SSL_R_…`` without its prefix, for example ``WRONG_VERSION_NUMBER``).
    *hint* says what to do about it.
    """

    def __init__(self, message: str, *, reason: str = "", hint: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.reason = reason
        self.hint: str | None = None
        if hint:
            self.advise(hint)

    def __str__(self) -> str:
        return self.message

    def advise(self, hint: str) -> None:
        """Says what to do, when that is known only after the error was made."""
        self.hint = hint
        self.add_note(hint)


class ProtocolError(TLSError):
    """A failure found on this side, which is reported to the peer as *alert*."""

    def __init__(
        self, alert: Alert, message: str, *, reason: str = "", hint: str | None = None
    ) -> None:
        super().__init__(message, reason=reason or alert.name, hint=hint)
        self.alert = alert


class DecodeError(ProtocolError):
    """Bytes from the peer that do not parse: ``decode_error`` (RFC 8446, section 6.2)."""

    def __init__(self, message: str, *, reason: str = "DECODE_ERROR") -> None:
        super().__init__(Alert.DECODE_ERROR, message, reason=reason)


class CertificateError(ProtocolError):
    """The peer's certificate, or the name in it, was refused.

    *verify_code* and *verify_message* are those of OpenSSL's X509_V_ERR_… where there is a
    counterpart (X509_STORE_CTX_get_error(3)). *verify_depth* says which certificate it is about,
    as X509_STORE_CTX_get_error_depth(3) does: 0 is the peer's own, 1 that of its issuer, and so on.
    Where an issuer is missing it is the certificate whose issuer that would be.
    """

    def __init__(
        self,
        alert: Alert,
        message: str,
        *,
        verify_code: int = 1,
        verify_message: str = "",
        verify_depth: int = 0,
        hint: str | None = None,
    ) -> None:
        super().__init__(alert, message, reason="CERTIFICATE_VERIFY_FAILED", hint=hint)
        self.verify_code = verify_code
        self.verify_message = verify_message or message
        self.verify_depth = verify_depth


class ECHRejected(ProtocolError):
    """The server could not decrypt the ClientHello, and has proved that it may say so.

    RFC 9849, section 6.1.6. Nothing was sent to it but the handshake. *retry_configs* is an
    ECHConfigList to try again with, in a new connection and no more than once; None: the server
    does not do Encrypted Client Hello, and another connection may go without.
    """

    def __init__(self, retry_configs: bytes | None, public_name: str) -> None:
        super().__init__(
            Alert.ECH_REQUIRED,
            f"the server, which proved to be {public_name!r}, did not decrypt the ClientHello",
            reason="ECH_REJECTED",
            hint="Connect again with config.replace(ech=error.retry_configs), once."
            if retry_configs is not None
            else "The server offers no keys. Connect again with config.replace(ech=None) if its "
            "name may stand in the clear.",
        )
        self.retry_configs = retry_configs
        self.public_name = public_name


class AlertReceived(TLSError):
    """The peer sent a fatal alert (RFC 8446, section 6.2)."""

    def __init__(self, alert: int, *, hint: str | None = None) -> None:
        name = Alert.label(alert).lower()
        super().__init__(
            f"the peer ended the connection with the alert {name}",
            reason=f"ALERT_{name.upper()}",
            hint=hint,
        )
        self.alert = alert


class Truncated(TLSError, EOFError):
    """The stream ended without close_notify: data may be missing (RFC 8446, section 6.1).

    *close_notify*: it did come, but in the handshake, which it cuts short.
    """

    def __init__(
        self,
        message: str,
        *,
        reason: str = "",
        hint: str | None = None,
        close_notify: bool = False,
    ) -> None:
        super().__init__(message, reason=reason, hint=hint)
        self.close_notify = close_notify


class PassedThrough(TLSError):
    """A server's ``select`` has returned a Passthrough: nothing was sent, and nothing will be."""

    def __init__(self, passthrough: object) -> None:
        super().__init__("the connection was passed through", reason="PASSED_THROUGH")
        self.passthrough = passthrough
        self.data = b""
        """Everything that the client has sent so far."""


class UsageError(TLSError, ValueError):
    """A call or an argument that cannot be right, found before anything was sent."""


def clear_frames(error: BaseException) -> None:
    """Empties this package's frames in the tracebacks of *error* and of what it came from.

    A traceback keeps the variables of every frame that it went through, and those of a handshake
    are its secrets, for as long as someone keeps the error. Files, lines and names stay, and so
    do the variables of the application's own frames.
    """
    seen: set[int] = set()
    queue: list[BaseException | None] = [error]
    while queue:
        item = queue.pop()
        if item is None or id(item) in seen:
            continue
        seen.add(id(item))
        queue += (item.__cause__, item.__context__)
        step = item.__traceback__
        while step is not None:
            if step.tb_frame.f_globals.get("__name__", "").partition(".")[0] == __package__:
                with contextlib.suppress(RuntimeError):  # it is still running
                    step.tb_frame.clear()
            step = step.tb_next
