"""What the engine's errors are called in the error queue."""

from __future__ import annotations

from ..errors import AlertReceived, TLSError
from ..reasons import openssl_name
from .errors import ERR_R_INTERNAL_ERROR, alert_reason
from .reasons import SSL_NUMBERS

HANDSHAKE_READS = frozenset(
    (
        "UNEXPECTED_EOF_WHILE_READING",
        "READ_BIO_NOT_SET",
        "DECRYPTION_FAILED_OR_BAD_RECORD_MAC",
        "ENCRYPTED_LENGTH_TOO_LONG",
        "PACKET_LENGTH_TOO_LONG",
        "DATA_LENGTH_TOO_LONG",
        "WRONG_VERSION_NUMBER",
        "HTTP_REQUEST",
        "HTTPS_PROXY_REQUEST",
        "BAD_RECORD_TYPE",
        "UNEXPECTED_RECORD",
        "APP_DATA_IN_HANDSHAKE",
        "BAD_ALERT",
        "INVALID_ALERT",
        "TOO_MANY_WARN_ALERTS",
        "INVALID_CCS_MESSAGE",
        "UNEXPECTED_CCS_MESSAGE",
        "CCS_RECEIVED_EARLY",
        "BAD_CHANGE_CIPHER_SPEC",
        "MIXED_HANDSHAKE_AND_NON_HANDSHAKE_DATA",
    )
)
"""What goes wrong while a record is read: then SSL_want() still says that reading was wanted."""

NOT_TLS = frozenset(("HTTP_REQUEST", "HTTPS_PROXY_REQUEST", "WRONG_VERSION_NUMBER"))
"""What a peer is not told that does not speak TLS."""

NOT_EVEN_A_HELLO = frozenset(("UNEXPECTED_RECORD", "APP_DATA_IN_HANDSHAKE"))
"""A record of another kind where the first handshake message should be: an unexpected message."""

UNREAD_LATER = NOT_EVEN_A_HELLO | {"BAD_ALERT", "INVALID_ALERT"}
"""A record that was taken from the BIO and is left where it is: SSL_has_pending() tells of it."""

UNREAD = UNREAD_LATER | {"UNEXPECTED_MESSAGE"}
"""The same during the handshake."""


def reason_of(error: TLSError) -> tuple[int, str | None]:
    """The reason of an error, and what it says of itself."""
    if isinstance(error, AlertReceived):
        return alert_reason(error.alert), f"SSL alert number {error.alert}"
    name = openssl_name(error.reason)
    return SSL_NUMBERS.get(name, ERR_R_INTERNAL_ERROR), str(error)
