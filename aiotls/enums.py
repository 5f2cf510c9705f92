"""The code points of TLS, as IANA registers them.

Values travel through the package as plain integers: a peer may send any number at
all (RFC 8446, section 4.2; RFC 8701), and an unknown one is no error. Members of
these enumerations *are* integers, so ``NamedGroup.X25519 in hello.groups`` needs no
conversion, and :meth:`CodePoint.label` names any value, known or not.
"""

from __future__ import annotations

import enum
from collections.abc import Iterable

GREASE_VALUES = frozenset(0x0A0A + 0x1010 * i for i in range(16))
"""The sixteen reserved 16-bit values of RFC 8701, section 2."""


class CodePoint(enum.IntEnum):
    """An integer with a registered name."""

    @classmethod
    def label(cls, value: int) -> str:
        """The registered name of *value*; ``GREASE(0x0a0a)`` or ``0x1234`` where it has none."""
        try:
            return cls(value).name
        except ValueError:
            pass
        if value in GREASE_VALUES:
            return f"GREASE(0x{value:04x})"
        return f"0x{value:04x}"

    @classmethod
    def listing(cls, values: Iterable[int], limit: int = 16) -> str:
        """The names of *values* for a sentence: without GREASE, and *limit* of them at most."""
        names = [cls.label(value) for value in values if value not in GREASE_VALUES]
        if not names:
            return "none"
        more = f" and {len(names) - limit} more" if len(names) > limit else ""
        return ", ".join(names[:limit]) + more


class Want(enum.Enum):
    """What a suspended handshake waits for.

    The awaitable form of ``SSL_ERROR_WANT_READ`` and ``SSL_ERROR_WANT_WRITE``
    (SSL_get_error(3)).
    """

    READ = "read"
    WRITE = "write"


class ContentType(CodePoint):
    """RFC 8446, section 5.1."""

    CHANGE_CIPHER_SPEC = 20
    ALERT = 21
    HANDSHAKE = 22
    APPLICATION_DATA = 23


class ProtocolVersion(CodePoint):
    """RFC 8446, section 4.2.1, and the versions before it, which are only ever refused."""

    SSLv3 = 0x0300
    TLSv1 = 0x0301
    TLSv1_1 = 0x0302
    TLSv1_2 = 0x0303
    TLSv1_3 = 0x0304

    @property
    def title(self) -> str:
        """The version's name in prose: ``TLS 1.3``."""
        return {0x0300: "SSL 3.0", 0x0301: "TLS 1.0", 0x0302: "TLS 1.1"}.get(
            self.value, "TLS 1.2" if self.value == 0x0303 else "TLS 1.3"
        )


class HandshakeType(CodePoint):
    """RFC 8446, section 4, with those of RFC 5246 and RFC 8879."""

    HELLO_REQUEST = 0
    CLIENT_HELLO = 1
    SERVER_HELLO = 2
    NEW_SESSION_TICKET = 4
    END_OF_EARLY_DATA = 5
    ENCRYPTED_EXTENSIONS = 8
    CERTIFICATE = 11
    SERVER_KEY_EXCHANGE = 12
    CERTIFICATE_REQUEST = 13
    SERVER_HELLO_DONE = 14
    CERTIFICATE_VERIFY = 15
    CLIENT_KEY_EXCHANGE = 16
    FINISHED = 20
    CERTIFICATE_STATUS = 22
    KEY_UPDATE = 24
    COMPRESSED_CERTIFICATE = 25
    MESSAGE_HASH = 254


class AlertLevel(CodePoint):
    """RFC 8446, section 6."""

    WARNING = 1
    FATAL = 2


class Alert(CodePoint):
    """The alert descriptions of RFC 8446, section 6, and of the RFCs that add to it."""

    CLOSE_NOTIFY = 0
    UNEXPECTED_MESSAGE = 10
    BAD_RECORD_MAC = 20
    DECRYPTION_FAILED = 21
    RECORD_OVERFLOW = 22
    DECOMPRESSION_FAILURE = 30
    HANDSHAKE_FAILURE = 40
    NO_CERTIFICATE = 41
    BAD_CERTIFICATE = 42
    UNSUPPORTED_CERTIFICATE = 43
    CERTIFICATE_REVOKED = 44
    CERTIFICATE_EXPIRED = 45
    CERTIFICATE_UNKNOWN = 46
    ILLEGAL_PARAMETER = 47
    UNKNOWN_CA = 48
    ACCESS_DENIED = 49
    DECODE_ERROR = 50
    DECRYPT_ERROR = 51
    EXPORT_RESTRICTION = 60
    PROTOCOL_VERSION = 70
    INSUFFICIENT_SECURITY = 71
    INTERNAL_ERROR = 80
    INAPPROPRIATE_FALLBACK = 86
    USER_CANCELED = 90
    NO_RENEGOTIATION = 100
    MISSING_EXTENSION = 109
    UNSUPPORTED_EXTENSION = 110
    CERTIFICATE_UNOBTAINABLE = 111
    UNRECOGNIZED_NAME = 112
    BAD_CERTIFICATE_STATUS_RESPONSE = 113
    BAD_CERTIFICATE_HASH_VALUE = 114
    UNKNOWN_PSK_IDENTITY = 115
    CERTIFICATE_REQUIRED = 116
    GENERAL_ERROR = 117
    NO_APPLICATION_PROTOCOL = 120
    ECH_REQUIRED = 121


class CipherSuite(CodePoint):
    """RFC 8446, section B.4; RFC 5289; RFC 7905."""

    TLS_AES_128_GCM_SHA256 = 0x1301
    TLS_AES_256_GCM_SHA384 = 0x1302
    TLS_CHACHA20_POLY1305_SHA256 = 0x1303
    TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256 = 0xC02B
    TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384 = 0xC02C
    TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256 = 0xC02F
    TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384 = 0xC030
    TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256 = 0xCCA8
    TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256 = 0xCCA9
    TLS_EMPTY_RENEGOTIATION_INFO_SCSV = 0x00FF
    TLS_FALLBACK_SCSV = 0x5600


class NamedGroup(CodePoint):
    """RFC 8446, section 4.2.7; draft-ietf-tls-ecdhe-mlkem; draft-ietf-tls-mlkem."""

    SECP256R1 = 0x0017
    SECP384R1 = 0x0018
    SECP521R1 = 0x0019
    X25519 = 0x001D
    X448 = 0x001E
    MLKEM768 = 0x0201
    MLKEM1024 = 0x0202
    SECP256R1MLKEM768 = 0x11EB
    X25519MLKEM768 = 0x11EC
    SECP384R1MLKEM1024 = 0x11ED

    @classmethod
    def label(cls, value: int) -> str:
        """The group's name as its specification writes it: ``X25519MLKEM768``, ``secp256r1``."""
        return _GROUP_LABELS.get(value) or super().label(value)


_GROUP_LABELS = {
    0x0017: "secp256r1",
    0x0018: "secp384r1",
    0x0019: "secp521r1",
    0x001D: "X25519",
    0x001E: "X448",
    0x11EB: "SecP256r1MLKEM768",
    0x11EC: "X25519MLKEM768",
    0x11ED: "SecP384r1MLKEM1024",
}


class SignatureScheme(CodePoint):
    """RFC 8446, section 4.2.3; draft-ietf-tls-mldsa. Names as the RFC writes them."""

    rsa_pkcs1_sha1 = 0x0201
    ecdsa_sha1 = 0x0203
    rsa_pkcs1_sha256 = 0x0401
    ecdsa_secp256r1_sha256 = 0x0403
    rsa_pkcs1_sha384 = 0x0501
    ecdsa_secp384r1_sha384 = 0x0503
    rsa_pkcs1_sha512 = 0x0601
    ecdsa_secp521r1_sha512 = 0x0603
    rsa_pss_rsae_sha256 = 0x0804
    rsa_pss_rsae_sha384 = 0x0805
    rsa_pss_rsae_sha512 = 0x0806
    ed25519 = 0x0807
    ed448 = 0x0808
    rsa_pss_pss_sha256 = 0x0809
    rsa_pss_pss_sha384 = 0x080A
    rsa_pss_pss_sha512 = 0x080B
    mldsa44 = 0x0904
    mldsa65 = 0x0905
    mldsa87 = 0x0906


class ExtensionType(CodePoint):
    """RFC 8446, section 4.2, and the registry that it begins."""

    SERVER_NAME = 0
    MAX_FRAGMENT_LENGTH = 1
    STATUS_REQUEST = 5
    SUPPORTED_GROUPS = 10
    EC_POINT_FORMATS = 11
    SIGNATURE_ALGORITHMS = 13
    ALPN = 16
    SIGNED_CERTIFICATE_TIMESTAMP = 18
    CLIENT_CERTIFICATE_TYPE = 19
    SERVER_CERTIFICATE_TYPE = 20
    PADDING = 21
    EXTENDED_MASTER_SECRET = 23
    COMPRESS_CERTIFICATE = 27
    RECORD_SIZE_LIMIT = 28
    DELEGATED_CREDENTIAL = 34
    SESSION_TICKET = 35
    PRE_SHARED_KEY = 41
    EARLY_DATA = 42
    SUPPORTED_VERSIONS = 43
    COOKIE = 44
    PSK_KEY_EXCHANGE_MODES = 45
    CERTIFICATE_AUTHORITIES = 47
    OID_FILTERS = 48
    POST_HANDSHAKE_AUTH = 49
    SIGNATURE_ALGORITHMS_CERT = 50
    KEY_SHARE = 51
    ECH_OUTER_EXTENSIONS = 0xFD00
    ENCRYPTED_CLIENT_HELLO = 0xFE0D
    RENEGOTIATION_INFO = 0xFF01


class PskKeyExchangeMode(CodePoint):
    """RFC 8446, section 4.2.9."""

    PSK_KE = 0
    PSK_DHE_KE = 1


class KeyUpdateRequest(CodePoint):
    """RFC 8446, section 4.6.3."""

    UPDATE_NOT_REQUESTED = 0
    UPDATE_REQUESTED = 1


class CertificateType(CodePoint):
    """RFC 7250, section 7; RFC 8446, section 4.4.2."""

    X509 = 0
    RAW_PUBLIC_KEY = 2


class CertificateCompressionAlgorithm(CodePoint):
    """RFC 8879, section 7.3."""

    ZLIB = 1
    BROTLI = 2
    ZSTD = 3


class EarlyData(enum.Enum):
    """What became of 0-RTT data, and why (RFC 8446, section 4.2.10).

    The client knows its own reasons, and of the server's only that there was one; the server knows
    its own and what the client has offered.
    """

    ACCEPTED = "accepted"
    """The server took it."""

    DISABLED = "disabled"
    """This side did not ask for any: a client was given none, or a server's configuration has no
    ``max_early_data`` or no ``replay_guard``."""

    PROTOCOL_VERSION = "protocol_version"
    """The connection speaks TLS 1.2, which has none."""

    NO_SESSION_OFFERED = "no_session_offered"
    """The client had no session of the server's to send it under."""

    SESSION_NOT_RESUMED = "session_not_resumed"
    """The server did not resume the session."""

    UNSUPPORTED_FOR_SESSION = "unsupported_for_session"
    """The session does not allow it: its ticket promised none, or more than the server takes by
    now; or it belongs to another cipher suite, or is a key agreed on elsewhere."""

    PEER_DECLINED = "peer_declined"
    """On a client: the server refused it without a word why. On a server: the client sent none."""

    ALPN_MISMATCH = "alpn_mismatch"
    """The session belongs to another application protocol. Early data that a client has sent is not
    sent again then: it was not written for the one that was agreed on."""

    TICKET_AGE_SKEW = "ticket_age_skew"
    """The ticket is older or younger than the client says, as far as the server can tell (RFC 8446,
    section 8.3): the ClientHello has been under way for too long, or was recorded."""

    HELLO_RETRY_REQUEST = "hello_retry_request"
    """The server asked for another ClientHello."""

    REPLAYED = "replayed"
    """The server's guard has seen the ClientHello before, or cannot rule it out."""
