"""What the engine's errors are called in the error queue."""

from __future__ import annotations

from ..errors import AlertReceived, TLSError
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

_ALIASES = {
    "ALPN_MISMATCH_ON_EARLY_DATA": "BAD_EARLY_DATA",
    "BAD_ALERT": "INVALID_ALERT",
    "BAD_COOKIE": "COOKIE_MISMATCH",
    "BAD_TICKET_LIFETIME": "BAD_LENGTH",
    "DECODE_ERROR": "LENGTH_MISMATCH",
    "DUPLICATE_EXTENSION": "BAD_EXTENSION",
    "DUPLICATE_KEY_SHARE": "BAD_KEY_SHARE",
    "EMPTY_HELLO_RETRY_REQUEST": "NO_CHANGE_FOLLOWING_HRR",
    "EXCESS_HANDSHAKE_DATA": "NOT_ON_RECORD_BOUNDARY",
    "ILLEGAL_PARAMETER": "BAD_EXTENSION",
    "INCONSISTENT_CLIENT_HELLO": "BAD_KEY_SHARE",
    "INVALID_ALPN_PROTOCOL": "BAD_EXTENSION",
    "INVALID_COMPRESSION_LIST": "INVALID_COMPRESSION_ALGORITHM",
    "MISSING_EXTENSION": "BAD_EXTENSION",
    "MISSING_SUPPORTED_VERSIONS_EXTENSION": "BAD_EXTENSION",
    "NO_COMMON_SIGNATURE_ALGORITHMS": "NO_SUITABLE_SIGNATURE_ALGORITHM",
    "NO_SHARED_GROUP": "NO_SUITABLE_KEY_SHARE",
    "OLD_SESSION_PRF_HASH_MISMATCH": "CIPHERSUITE_DIGEST_HAS_CHANGED",
    "PRE_SHARED_KEY_MUST_BE_LAST": "BAD_EXTENSION",
    "PSK_IDENTITY_BINDER_COUNT_MISMATCH": "BAD_EXTENSION",
    "RESUMED_EMS_SESSION_WITHOUT_EMS_EXTENSION": "INCONSISTENT_EXTMS",
    "SECOND_SERVERHELLO_VERSION_MISMATCH": "WRONG_SSL_VERSION",
    "SERVER_ECHOED_INVALID_SESSION_ID": "INVALID_SESSION_ID",
    "TLS13_DOWNGRADE": "INAPPROPRIATE_FALLBACK",
    "TOO_MANY_EMPTY_FRAGMENTS": "RECORD_TOO_SMALL",
    "TOO_MANY_WARNING_ALERTS": "TOO_MANY_WARN_ALERTS",
    "TOO_MUCH_READ_EARLY_DATA": "TOO_MUCH_EARLY_DATA",
    "TOO_MUCH_SKIPPED_EARLY_DATA": "TOO_MUCH_EARLY_DATA",
    "UNEXPECTED_EXTENSION": "UNSOLICITED_EXTENSION",
}
"""OpenSSL's names for what the engine names otherwise."""


def reason_of(error: TLSError) -> tuple[int, str | None]:
    """The reason of an error, and what it says of itself."""
    if isinstance(error, AlertReceived):
        return alert_reason(error.alert), f"SSL alert number {error.alert}"
    name = _ALIASES.get(error.reason, error.reason)
    return SSL_NUMBERS.get(name, ERR_R_INTERNAL_ERROR), str(error)
