"""The reasons of errors in plain words: what happened, and where it can be told, who mends it.

Their names are OpenSSL's (``SSL_R_...``) where OpenSSL has one for the same thing.
"""

from __future__ import annotations

REASONS: dict[str, str] = {
    "WRONG_VERSION_NUMBER": "The other side's first bytes are no TLS record. The port most likely "
    "speaks something in plaintext: HTTP, or a protocol that begins TLS with a command "
    "(--starttls).",
    "PACKET_LENGTH_TOO_LONG": "A record announces more bytes than one may have. Mostly it is no "
    "record at all: the other side speaks something in plaintext.",
    "INVALID_CCS_MESSAGE": "A change_cipher_spec where none may come, or with something in it. In "
    "TLS 1.3 it means nothing, and is the single byte 1, between the hellos and the Finished.",
    "INVALID_DIRECTORY": "A directory of certificates (capath) was named that is none.",
    "UNEXPECTED_MESSAGE": "A message, or a record, where it has no place. The two sides do not "
    "agree on what has been said; one of them is at fault, or somebody in between.",
    "NO_RENEGOTIATION": "The peer declined to renegotiate, which nobody had asked for.",
    "HTTP_REQUEST": "A client spoke plain HTTP to a TLS port; its URL begins with http instead of "
    "https.",
    "HTTPS_PROXY_REQUEST": "A client took a TLS port for a plain HTTP proxy.",
    "NO_SHARED_CIPHER": "Client and server have no cipher suite in common. In OpenSSL it also "
    "means: the server has no certificate that fits the client.",
    "NO_SHARED_GROUP": "Client and server have no key exchange group in common.",
    "NO_COMMON_SIGNATURE_ALGORITHMS": "The server has no certificate whose key can sign in a way "
    "that the client accepts; for example an Ed25519 certificate and a browser.",
    "UNSUPPORTED_PROTOCOL": "The other side offers only versions that are not spoken here.",
    "CERTIFICATE_VERIFY_FAILED": "The peer's certificate was refused. verify_message and the hint "
    "say why: expired, another name, an unknown authority.",
    "UNEXPECTED_EOF_WHILE_READING": "The TCP connection ended without close_notify: data may be "
    "missing. During a handshake: the other side gave up without an alert, as servers do that "
    "want SNI, and boxes on the way that drop what they do not know.",
    "PEER_DID_NOT_RETURN_A_CERTIFICATE": "The server insists on a client certificate, and the "
    "client showed none.",
    "SESSION_ID_CONTEXT_UNINITIALIZED": "A server that verifies its clients resumes sessions only "
    "under a name of its own: SSL_CTX_set_session_id_context().",
    "KEY_VALUES_MISMATCH": "The private key does not belong to the certificate. Was it reissued "
    "with a new key?",
    "NO_START_LINE": "There is no PEM block (-----BEGIN ...-----) in what should be PEM. DER, "
    "perhaps.",
    "NO_CERTIFICATE_SET": "A server was started without a certificate.",
    "DECRYPTION_FAILED_OR_BAD_RECORD_MAC": "A record could not be decrypted; see bad_record_mac.",
    "BAD_SIGNATURE": "A handshake's signature did not hold: the peer does not have the key of the "
    "certificate that it showed, or the handshake was tampered with.",
    "DIGEST_CHECK_FAILED": "A Finished message did not match: the two sides saw different "
    "handshakes. Something on the way changed it, or one side is faulty.",
    "BAD_ECPOINT": "A public key in the key exchange was not valid: too short, not on its curve, "
    "or one that would make the secret predictable.",
    "WRONG_CURVE": "A key share belongs to a group that was not asked for.",
    "WRONG_CIPHER_RETURNED": "The server chose a cipher suite that it was not offered.",
    "UNEXPECTED_EXTENSION": "An extension came in a message where it has no place, or that was "
    "not asked for.",
    "DUPLICATE_EXTENSION": "A message carries the same extension twice.",
    "UNEXPECTED_RECORD": "A record of this type has no place at this point.",
    "EXCESSIVE_MESSAGE_SIZE": "The peer announced a handshake message above the limit "
    "(max_handshake_message).",
    "EXCESS_HANDSHAKE_DATA": "Handshake bytes were left over when the keys changed: a message "
    "must not span a change of keys.",
    "TOO_MANY_KEY_UPDATES": "A flood of KeyUpdate messages, which cost the receiver more than the "
    "sender.",
    "TOO_MANY_EMPTY_FRAGMENTS": "A flood of empty records.",
    "TOO_MANY_WARNING_ALERTS": "A flood of warnings.",
    "NO_APPLICATION_PROTOCOL": "ALPN: both sides named protocols, and none is in both lists.",
    "APP_DATA_IN_HANDSHAKE": "Application data came while the handshake was not complete.",
    "INAPPROPRIATE_FALLBACK": "The client fell back to an older version than both sides speak; "
    "see the alert inappropriate_fallback.",
    "PRIVATE_KEY_OPERATION": "The signer of an Identity failed.",
    "CALLBACK_FAILED": "A hook of the application's failed.",
    "PSK_IDENTITY_NOT_FOUND": "The client offered pre-shared keys, and none is known here.",
    "INTERNAL_ERROR": "A fault in this program, not in the peer.",
    "CANCELLED": "The application cancelled the handshake.",
    "ALPN_MISMATCH_ON_EARLY_DATA": "The server took 0-RTT data, but chose another application "
    "protocol than the one the data was written for. The server is at fault.",
    "BAD_ALERT": "The peer sent an alert that is no alert: not two bytes, or of an unknown level.",
    "BAD_CHANGE_CIPHER_SPEC": "A change_cipher_spec came where none may come, or with another "
    "content than one byte 1.",
    "BAD_COOKIE": "The second ClientHello did not bring back the cookie of the HelloRetryRequest. "
    "The client is at fault.",
    "BAD_DIGEST_LENGTH": "A Finished, or a binder of a pre-shared key, has another length than "
    "the hash of its cipher suite.",
    "BAD_ECC_CERT": "The server's certificate has an elliptic curve key of a kind that its cipher "
    "suite cannot use.",
    "BAD_EXTENSION": "An extension's content does not parse.",
    "BAD_KEY_UPDATE": "A KeyUpdate says neither that it asks for one in return nor that it does "
    "not.",
    "BAD_RECORD_TYPE": "A record of a content type that TLS does not have: garbage, or another "
    "protocol on the same connection.",
    "BAD_TICKET_LIFETIME": "The server gave a session ticket for longer than the seven days that "
    "RFC 8446 allows.",
    "CERT_DECOMPRESSION_FAILED": "A compressed certificate does not decompress, or not to the "
    "length that was announced.",
    "DATA_LENGTH_TOO_LONG": "A record holds more than the limit: 16384 bytes, or what "
    "record_size_limit agreed on.",
    "DECODE_ERROR": "A message does not parse. The peer, or something between, is broken.",
    "DECRYPTION_FAILED": "What was encrypted does not decrypt with the key that both sides should "
    "have.",
    "DUPLICATE_KEY_SHARE": "The client sent two key shares for one group.",
    "ECH_REJECTED": "The server could not decrypt the ClientHello. The exception's retry_configs "
    "are the keys to try once more with; None means that the server does not do Encrypted Client "
    "Hello.",
    "EMPTY_HELLO_RETRY_REQUEST": "The server asked for a second ClientHello without asking for "
    "any change.",
    "ENCRYPTED_LENGTH_TOO_LONG": "A record says that it is longer than a protected record may be. "
    "Often it is no TLS at all.",
    "INCONSISTENT_CLIENT_HELLO": "The second ClientHello differs from the first in what must stay "
    "the same.",
    "INCONSISTENT_ECH_NEGOTIATION": "The server took the encrypted ClientHello in its "
    "HelloRetryRequest and not after it.",
    "INVALID_ALPN_PROTOCOL": "The server chose an application protocol that was not offered.",
    "INVALID_CLIENT_HELLO_INNER": "The ClientHello inside an encrypted one lacks what marks it, "
    "or offers an old version.",
    "INVALID_COMPRESSION_ALGORITHM": "The server chose to compress records, which nobody offers "
    "any more (the CRIME attack).",
    "INVALID_COMPRESSION_LIST": "The client offers to compress records in TLS 1.3, or does not "
    "offer to leave it.",
    "INVALID_DELEGATED_CREDENTIAL": "A delegated credential does not fit: expired, too long in "
    "life, wrongly signed, or for a certificate that may not delegate.",
    "INVALID_SIGNATURE_ALGORITHM": "A key of this kind cannot be delegated to: RFC 9345 takes none "
    "of rsaEncryption.",
    "INVALID_OUTER_EXTENSION": "An encrypted ClientHello refers to extensions outside it that are "
    "not there, not in order, or not to be referred to.",
    "MISSING_SUPPORTED_VERSIONS_EXTENSION": "A HelloRetryRequest or a second ServerHello does not "
    "say that it is TLS 1.3.",
    "NOT_ENOUGH_DATA": "A call to read asked for more than there is.",
    "NO_CERTIFICATE_OR_CRL_FOUND": "A file, or what was given as cadata, holds no certificate.",
    "OLD_SESSION_CIPHER_NOT_RETURNED": "The server resumed a session with another cipher suite "
    "than the session has.",
    "OLD_SESSION_PRF_HASH_MISMATCH": "The server chose a pre-shared key and a cipher suite whose "
    "hashes differ.",
    "PASSED_THROUGH": "No failure: a server's select hook returned a Passthrough, and the "
    "connection is another protocol's now.",
    "PRE_SHARED_KEY_MUST_BE_LAST": "The client put an extension behind pre_shared_key, which has "
    "to be the last one.",
    "PSK_IDENTITY_BINDER_COUNT_MISMATCH": "The client sent not as many binders as pre-shared keys.",
    "READ_BIO_NOT_SET": "An SSL object was used before SSL_set_bio() or SSL_set_fd() gave it "
    "something to read from.",
    "RENEGOTIATION_MISMATCH": "The renegotiation_info is not what a first handshake has. Something "
    "between may have spliced two connections together.",
    "RESUMED_EMS_SESSION_WITHOUT_EMS_EXTENSION": "A session that was bound to its handshake "
    "(extended master secret) was resumed without that binding.",
    "SECOND_SERVERHELLO_VERSION_MISMATCH": "The server changed the version between its "
    "HelloRetryRequest and its ServerHello.",
    "SERVER_ECHOED_INVALID_SESSION_ID": "The server did not send the client's session id back, or "
    "sent one that makes no sense.",
    "SSL3_EXT_INVALID_MAX_FRAGMENT_LENGTH": "The peer's max_fragment_length is none of those that "
    "RFC 6066 knows.",
    "TLS13_DOWNGRADE": "The server's random says that it speaks TLS 1.3, and yet an older version "
    "came out: someone between has changed the handshake, or an old middlebox terminates it.",
    "TOO_MUCH_READ_EARLY_DATA": "The client sent more 0-RTT data than its ticket allows.",
    "TOO_MUCH_SKIPPED_EARLY_DATA": "The client went on with 0-RTT data that had been refused, "
    "past what a server has to skip.",
    "UNCOMPRESSED_CERT_TOO_LARGE": "A compressed certificate says that it is larger than "
    "max_handshake_message: a decompression bomb, or a very long chain.",
    "UNKNOWN_ALERT_TYPE": "An alert of a level that does not exist.",
    "UNKNOWN_CERTIFICATE_TYPE": "The server wants a kind of certificate that was not offered; see "
    "client_certificate_type.",
    "UNKNOWN_CERT_COMPRESSION_ALG": "A certificate came compressed in a way that was not offered.",
    "UNSAFE_LEGACY_RENEGOTIATION_DISABLED": "The server does not know RFC 5746. An attacker could "
    "begin a connection to it and let yours continue that one. The server needs an update.",
    "WRONG_SIGNATURE_TYPE": "The peer signed in a way that was not offered, or that its key "
    "cannot do.",
    "WRONG_SSL_VERSION": "A message names a version that does not belong there.",
    "WRONG_VERSION_ON_EARLY_DATA": "The server that gave a TLS 1.3 session answered 0-RTT data "
    "with TLS 1.2: some of a site's servers are older than others.",
}
