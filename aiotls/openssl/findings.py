"""What X509_verify_cert(3) can find: X509_STORE_CTX_get_error(3)."""

from __future__ import annotations

from ..enums import Alert

X509_V_OK = 0
X509_V_ERR_UNSPECIFIED = 1
X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT = 2
X509_V_ERR_UNABLE_TO_GET_CRL = 3
X509_V_ERR_UNABLE_TO_DECRYPT_CERT_SIGNATURE = 4
X509_V_ERR_UNABLE_TO_DECRYPT_CRL_SIGNATURE = 5
X509_V_ERR_UNABLE_TO_DECODE_ISSUER_PUBLIC_KEY = 6
X509_V_ERR_CERT_SIGNATURE_FAILURE = 7
X509_V_ERR_CRL_SIGNATURE_FAILURE = 8
X509_V_ERR_CERT_NOT_YET_VALID = 9
X509_V_ERR_CERT_HAS_EXPIRED = 10
X509_V_ERR_CRL_NOT_YET_VALID = 11
X509_V_ERR_CRL_HAS_EXPIRED = 12
X509_V_ERR_ERROR_IN_CERT_NOT_BEFORE_FIELD = 13
X509_V_ERR_ERROR_IN_CERT_NOT_AFTER_FIELD = 14
X509_V_ERR_ERROR_IN_CRL_LAST_UPDATE_FIELD = 15
X509_V_ERR_ERROR_IN_CRL_NEXT_UPDATE_FIELD = 16
X509_V_ERR_OUT_OF_MEM = 17
X509_V_ERR_DEPTH_ZERO_SELF_SIGNED_CERT = 18
X509_V_ERR_SELF_SIGNED_CERT_IN_CHAIN = 19
X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY = 20
X509_V_ERR_UNABLE_TO_VERIFY_LEAF_SIGNATURE = 21
X509_V_ERR_CERT_CHAIN_TOO_LONG = 22
X509_V_ERR_CERT_REVOKED = 23
X509_V_ERR_NO_ISSUER_PUBLIC_KEY = 24
X509_V_ERR_PATH_LENGTH_EXCEEDED = 25
X509_V_ERR_INVALID_PURPOSE = 26
X509_V_ERR_CERT_UNTRUSTED = 27
X509_V_ERR_CERT_REJECTED = 28
X509_V_ERR_SUBJECT_ISSUER_MISMATCH = 29
X509_V_ERR_AKID_SKID_MISMATCH = 30
X509_V_ERR_AKID_ISSUER_SERIAL_MISMATCH = 31
X509_V_ERR_KEYUSAGE_NO_CERTSIGN = 32
X509_V_ERR_UNABLE_TO_GET_CRL_ISSUER = 33
X509_V_ERR_UNHANDLED_CRITICAL_EXTENSION = 34
X509_V_ERR_KEYUSAGE_NO_CRL_SIGN = 35
X509_V_ERR_UNHANDLED_CRITICAL_CRL_EXTENSION = 36
X509_V_ERR_INVALID_NON_CA = 37
X509_V_ERR_PROXY_PATH_LENGTH_EXCEEDED = 38
X509_V_ERR_KEYUSAGE_NO_DIGITAL_SIGNATURE = 39
X509_V_ERR_PROXY_CERTIFICATES_NOT_ALLOWED = 40
X509_V_ERR_INVALID_EXTENSION = 41
X509_V_ERR_INVALID_POLICY_EXTENSION = 42
X509_V_ERR_NO_EXPLICIT_POLICY = 43
X509_V_ERR_DIFFERENT_CRL_SCOPE = 44
X509_V_ERR_UNSUPPORTED_EXTENSION_FEATURE = 45
X509_V_ERR_UNNESTED_RESOURCE = 46
X509_V_ERR_PERMITTED_VIOLATION = 47
X509_V_ERR_EXCLUDED_VIOLATION = 48
X509_V_ERR_SUBTREE_MINMAX = 49
X509_V_ERR_APPLICATION_VERIFICATION = 50
X509_V_ERR_UNSUPPORTED_CONSTRAINT_TYPE = 51
X509_V_ERR_UNSUPPORTED_CONSTRAINT_SYNTAX = 52
X509_V_ERR_UNSUPPORTED_NAME_SYNTAX = 53
X509_V_ERR_CRL_PATH_VALIDATION_ERROR = 54
X509_V_ERR_PATH_LOOP = 55
X509_V_ERR_SUITE_B_INVALID_VERSION = 56
X509_V_ERR_SUITE_B_INVALID_ALGORITHM = 57
X509_V_ERR_SUITE_B_INVALID_CURVE = 58
X509_V_ERR_SUITE_B_INVALID_SIGNATURE_ALGORITHM = 59
X509_V_ERR_SUITE_B_LOS_NOT_ALLOWED = 60
X509_V_ERR_SUITE_B_CANNOT_SIGN_P_384_WITH_P_256 = 61
X509_V_ERR_HOSTNAME_MISMATCH = 62
X509_V_ERR_EMAIL_MISMATCH = 63
X509_V_ERR_IP_ADDRESS_MISMATCH = 64
X509_V_ERR_DANE_NO_MATCH = 65
X509_V_ERR_EE_KEY_TOO_SMALL = 66
X509_V_ERR_CA_KEY_TOO_SMALL = 67
X509_V_ERR_CA_MD_TOO_WEAK = 68
X509_V_ERR_INVALID_CALL = 69
X509_V_ERR_STORE_LOOKUP = 70
X509_V_ERR_NO_VALID_SCTS = 71
X509_V_ERR_PROXY_SUBJECT_NAME_VIOLATION = 72
X509_V_ERR_OCSP_VERIFY_NEEDED = 73
X509_V_ERR_OCSP_VERIFY_FAILED = 74
X509_V_ERR_OCSP_CERT_UNKNOWN = 75
X509_V_ERR_UNSUPPORTED_SIGNATURE_ALGORITHM = 76
X509_V_ERR_SIGNATURE_ALGORITHM_MISMATCH = 77
X509_V_ERR_SIGNATURE_ALGORITHM_INCONSISTENCY = 78
X509_V_ERR_INVALID_CA = 79
X509_V_ERR_PATHLEN_INVALID_FOR_NON_CA = 80
X509_V_ERR_PATHLEN_WITHOUT_KU_KEY_CERT_SIGN = 81
X509_V_ERR_KU_KEY_CERT_SIGN_INVALID_FOR_NON_CA = 82
X509_V_ERR_ISSUER_NAME_EMPTY = 83
X509_V_ERR_SUBJECT_NAME_EMPTY = 84
X509_V_ERR_MISSING_AUTHORITY_KEY_IDENTIFIER = 85
X509_V_ERR_MISSING_SUBJECT_KEY_IDENTIFIER = 86
X509_V_ERR_EMPTY_SUBJECT_ALT_NAME = 87
X509_V_ERR_EMPTY_SUBJECT_SAN_NOT_CRITICAL = 88
X509_V_ERR_CA_BCONS_NOT_CRITICAL = 89
X509_V_ERR_AUTHORITY_KEY_IDENTIFIER_CRITICAL = 90
X509_V_ERR_SUBJECT_KEY_IDENTIFIER_CRITICAL = 91
X509_V_ERR_CA_CERT_MISSING_KEY_USAGE = 92
X509_V_ERR_EXTENSIONS_REQUIRE_VERSION_3 = 93
X509_V_ERR_EC_KEY_EXPLICIT_PARAMS = 94

_TEXTS = (
    "ok",
    "unspecified certificate verification error",
    "unable to get issuer certificate",
    "unable to get certificate CRL",
    "unable to decrypt certificate's signature",
    "unable to decrypt CRL's signature",
    "unable to decode issuer public key",
    "certificate signature failure",
    "CRL signature failure",
    "certificate is not yet valid",
    "certificate has expired",
    "CRL is not yet valid",
    "CRL has expired",
    "format error in certificate's notBefore field",
    "format error in certificate's notAfter field",
    "format error in CRL's lastUpdate field",
    "format error in CRL's nextUpdate field",
    "out of memory",
    "self-signed certificate",
    "self-signed certificate in certificate chain",
    "unable to get local issuer certificate",
    "unable to verify the first certificate",
    "certificate chain too long",
    "certificate revoked",
    "issuer certificate doesn't have a public key",
    "path length constraint exceeded",
    "unsuitable certificate purpose",
    "certificate not trusted",
    "certificate rejected",
    "subject issuer mismatch",
    "authority and subject key identifier mismatch",
    "authority and issuer serial number mismatch",
    "key usage does not include certificate signing",
    "unable to get CRL issuer certificate",
    "unhandled critical extension",
    "key usage does not include CRL signing",
    "unhandled critical CRL extension",
    "invalid non-CA certificate (has CA markings)",
    "proxy path length constraint exceeded",
    "key usage does not include digital signature",
    "proxy certificates not allowed, please set the appropriate flag",
    "invalid or inconsistent certificate extension",
    "invalid or inconsistent certificate policy extension",
    "no explicit policy",
    "different CRL scope",
    "unsupported extension feature",
    "RFC 3779 resource not subset of parent's resources",
    "permitted subtree violation",
    "excluded subtree violation",
    "name constraints minimum and maximum not supported",
    "application verification failure",
    "unsupported name constraint type",
    "unsupported or invalid name constraint syntax",
    "unsupported or invalid name syntax",
    "CRL path validation error",
    "path loop",
    "Suite B: certificate version invalid",
    "Suite B: invalid public key algorithm",
    "Suite B: invalid ECC curve",
    "Suite B: invalid signature algorithm",
    "Suite B: curve not allowed for this LOS",
    "Suite B: cannot sign P-384 with P-256",
    "hostname mismatch",
    "email address mismatch",
    "IP address mismatch",
    "no matching DANE TLSA records",
    "EE certificate key too weak",
    "CA certificate key too weak",
    "CA signature digest algorithm too weak",
    "invalid certificate verification context",
    "issuer certificate lookup error",
    "Certificate Transparency required, but no valid SCTs found",
    "proxy subject name violation",
    "OCSP verification needed",
    "OCSP verification failed",
    "OCSP unknown cert",
    "Cannot find certificate signature algorithm",
    "subject signature algorithm and issuer public key algorithm mismatch",
    "cert info signature and signature algorithm mismatch",
    "invalid CA certificate",
    "Path length invalid for non-CA cert",
    "Path length given without key usage keyCertSign",
    "Key usage keyCertSign invalid for non-CA cert",
    "Issuer name empty",
    "Subject name empty",
    "Missing Authority Key Identifier",
    "Missing Subject Key Identifier",
    "Empty Subject Alternative Name extension",
    "Subject empty and Subject Alt Name extension not critical",
    "Basic Constraints of CA cert not marked critical",
    "Authority Key Identifier marked critical",
    "Subject Key Identifier marked critical",
    "CA cert does not include key usage extension",
    "Using cert extension requires at least X509v3",
    "Certificate public key has explicit ECC parameters",
)

_ALERTS = {
    X509_V_ERR_APPLICATION_VERIFICATION: Alert.HANDSHAKE_FAILURE,
    X509_V_ERR_CERT_CHAIN_TOO_LONG: Alert.UNKNOWN_CA,
    X509_V_ERR_DEPTH_ZERO_SELF_SIGNED_CERT: Alert.UNKNOWN_CA,
    X509_V_ERR_INVALID_CA: Alert.UNKNOWN_CA,
    X509_V_ERR_PATH_LENGTH_EXCEEDED: Alert.UNKNOWN_CA,
    X509_V_ERR_SELF_SIGNED_CERT_IN_CHAIN: Alert.UNKNOWN_CA,
    X509_V_ERR_UNABLE_TO_GET_CRL: Alert.UNKNOWN_CA,
    X509_V_ERR_UNABLE_TO_GET_CRL_ISSUER: Alert.UNKNOWN_CA,
    X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT: Alert.UNKNOWN_CA,
    X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY: Alert.UNKNOWN_CA,
    X509_V_ERR_UNABLE_TO_VERIFY_LEAF_SIGNATURE: Alert.UNKNOWN_CA,
    X509_V_ERR_CERT_HAS_EXPIRED: Alert.CERTIFICATE_EXPIRED,
    X509_V_ERR_CRL_HAS_EXPIRED: Alert.CERTIFICATE_EXPIRED,
    X509_V_ERR_CERT_REVOKED: Alert.CERTIFICATE_REVOKED,
    X509_V_ERR_CERT_SIGNATURE_FAILURE: Alert.DECRYPT_ERROR,
    X509_V_ERR_CRL_SIGNATURE_FAILURE: Alert.DECRYPT_ERROR,
    X509_V_ERR_INVALID_CALL: Alert.INTERNAL_ERROR,
    X509_V_ERR_OUT_OF_MEM: Alert.INTERNAL_ERROR,
    X509_V_ERR_STORE_LOOKUP: Alert.INTERNAL_ERROR,
    X509_V_ERR_UNSPECIFIED: Alert.INTERNAL_ERROR,
    X509_V_ERR_INVALID_PURPOSE: Alert.UNSUPPORTED_CERTIFICATE,
    X509_V_ERR_CA_KEY_TOO_SMALL: Alert.BAD_CERTIFICATE,
    X509_V_ERR_EC_KEY_EXPLICIT_PARAMS: Alert.BAD_CERTIFICATE,
    X509_V_ERR_CA_MD_TOO_WEAK: Alert.BAD_CERTIFICATE,
    X509_V_ERR_CERT_NOT_YET_VALID: Alert.BAD_CERTIFICATE,
    X509_V_ERR_CERT_REJECTED: Alert.BAD_CERTIFICATE,
    X509_V_ERR_CERT_UNTRUSTED: Alert.BAD_CERTIFICATE,
    X509_V_ERR_CRL_NOT_YET_VALID: Alert.BAD_CERTIFICATE,
    X509_V_ERR_DANE_NO_MATCH: Alert.BAD_CERTIFICATE,
    X509_V_ERR_EE_KEY_TOO_SMALL: Alert.BAD_CERTIFICATE,
    X509_V_ERR_EMAIL_MISMATCH: Alert.BAD_CERTIFICATE,
    X509_V_ERR_ERROR_IN_CERT_NOT_AFTER_FIELD: Alert.BAD_CERTIFICATE,
    X509_V_ERR_ERROR_IN_CERT_NOT_BEFORE_FIELD: Alert.BAD_CERTIFICATE,
    X509_V_ERR_ERROR_IN_CRL_LAST_UPDATE_FIELD: Alert.BAD_CERTIFICATE,
    X509_V_ERR_ERROR_IN_CRL_NEXT_UPDATE_FIELD: Alert.BAD_CERTIFICATE,
    X509_V_ERR_HOSTNAME_MISMATCH: Alert.BAD_CERTIFICATE,
    X509_V_ERR_IP_ADDRESS_MISMATCH: Alert.BAD_CERTIFICATE,
    X509_V_ERR_UNABLE_TO_DECODE_ISSUER_PUBLIC_KEY: Alert.BAD_CERTIFICATE,
    X509_V_ERR_UNABLE_TO_DECRYPT_CERT_SIGNATURE: Alert.BAD_CERTIFICATE,
    X509_V_ERR_UNABLE_TO_DECRYPT_CRL_SIGNATURE: Alert.BAD_CERTIFICATE,
}


def X509_verify_cert_error_string(code: int) -> str:
    """An X509_V_ERR_* in words. X509_STORE_CTX_get_error(3)."""
    return _TEXTS[code] if 0 <= code < len(_TEXTS) else "unknown certificate verification error"


def alert_for(code: int) -> Alert:
    """The alert that tells the peer of a finding."""
    return _ALERTS.get(code, Alert.CERTIFICATE_UNKNOWN)
