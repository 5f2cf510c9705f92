"""The words of TLS in plain language: alerts, messages, extensions, code points, failures.

For each: what it means and, where it is a failure, what usually causes it and who can mend it.
"""

from __future__ import annotations

import difflib
import re
from dataclasses import dataclass

from ..enums import Alert, ExtensionType, HandshakeType
from .code_points import KINDS
from .reasons import REASONS


@dataclass(frozen=True, slots=True)
class Entry:
    """One word."""

    kind: str
    """``alert``, ``extension``, ``message``, ``reason``, ``group``, …"""

    name: str
    code: int | None
    """The code point, where the word has one."""

    text: str
    """What it means, in a few sentences."""

    source: str
    """The specification that defines it; empty where none does."""

    @property
    def number(self) -> str:
        """The code point as specifications write it: 40 for an alert, 0x11ec for a group."""
        if self.code is None:
            return ""
        if self.kind in ("alert", "message", "extension"):
            return str(self.code) if self.code < 256 else f"0x{self.code:04x}"
        return f"0x{self.code:04x}"


_TLS13 = "RFC 8446"

ALERTS: dict[Alert, tuple[str, str]] = {
    Alert.CLOSE_NOTIFY: (
        "The sender has said all it had to say. Not a failure: without it nobody could tell the "
        "end of the data from an attacker who cuts the connection.",
        f"{_TLS13}, section 6.1",
    ),
    Alert.UNEXPECTED_MESSAGE: (
        "A message came that has no place at this point of the protocol. A fault in one of the "
        "two implementations, or something that is not TLS.",
        f"{_TLS13}, section 6.2",
    ),
    Alert.BAD_RECORD_MAC: (
        "A record could not be decrypted: the keys of the two sides differ, or the bytes were "
        "changed on the way (a broken proxy, bad memory, an attack). After a handshake that "
        "worked it is almost never a matter of configuration.",
        f"{_TLS13}, section 6.2",
    ),
    Alert.RECORD_OVERFLOW: (
        "A record was longer than TLS allows (16 KiB of content). Often the sign of something "
        "else than TLS on the port.",
        f"{_TLS13}, section 6.2",
    ),
    Alert.HANDSHAKE_FAILURE: (
        "The two sides have nothing in common in one respect: cipher suites, groups, signature "
        "schemes, or a certificate that fits them. Compare what both are set to allow. Servers of "
        "TLS 1.2 also send it when they want a client certificate and get none.",
        f"{_TLS13}, section 6.2",
    ),
    Alert.BAD_CERTIFICATE: (
        "A certificate was damaged, or its signature or its name did not hold. The sender's log "
        "has the reason.",
        f"{_TLS13}, section 6.2",
    ),
    Alert.UNSUPPORTED_CERTIFICATE: (
        "A certificate is of a kind that the other side does not take: its key type, its "
        "algorithm, or a usage that is not for this role (a server's certificate shown by a "
        "client).",
        f"{_TLS13}, section 6.2",
    ),
    Alert.CERTIFICATE_REVOKED: (
        "The authority has withdrawn the certificate, usually as its key was lost or stolen. "
        "Whoever owns it needs a new one, with a new key.",
        f"{_TLS13}, section 6.2",
    ),
    Alert.CERTIFICATE_EXPIRED: (
        "The certificate's time is over, or has not begun, by the other side's clock. Renew the "
        "certificate; if it is fresh, compare the clocks.",
        f"{_TLS13}, section 6.2",
    ),
    Alert.CERTIFICATE_UNKNOWN: (
        "The certificate was refused for another reason than those that have alerts of their "
        "own; a check of the application's, for example.",
        f"{_TLS13}, section 6.2",
    ),
    Alert.ILLEGAL_PARAMETER: (
        "A field had a value that is out of range or contradicts another. A fault in the "
        "implementation that sent it.",
        f"{_TLS13}, section 6.2",
    ),
    Alert.UNKNOWN_CA: (
        "The certificate is in order, but the other side does not trust the authority that it "
        "leads to. Either that authority's root is missing there, or an intermediate certificate "
        "is missing here: a server has to send its whole chain but the root.",
        f"{_TLS13}, section 6.2",
    ),
    Alert.ACCESS_DENIED: (
        "The certificate is valid, but whom it names is not let in. A decision of the "
        "application's.",
        f"{_TLS13}, section 6.2",
    ),
    Alert.DECODE_ERROR: (
        "A message could not be parsed: a length did not fit, or a field was cut short. A fault "
        "in one of the implementations, or damage on the way.",
        f"{_TLS13}, section 6.2",
    ),
    Alert.DECRYPT_ERROR: (
        "A cryptographic check of the handshake failed: a signature, a Finished, or a PSK binder. "
        "With certificates: the key does not belong to the certificate. With pre-shared keys: the "
        "two sides hold different ones.",
        f"{_TLS13}, section 6.2",
    ),
    Alert.PROTOCOL_VERSION: (
        "The two sides share no version. Usually one of them is very old (TLS 1.0 or 1.1 only) or "
        "set to allow one version alone.",
        f"{_TLS13}, section 6.2",
    ),
    Alert.INSUFFICIENT_SECURITY: (
        "What the client offers is weaker than what the server insists on.",
        f"{_TLS13}, section 6.2",
    ),
    Alert.INTERNAL_ERROR: (
        "Something failed on the sender's side that has nothing to do with this protocol: no "
        "memory, an unreachable key, a fault. Only the sender's log knows.",
        f"{_TLS13}, section 6.2",
    ),
    Alert.INAPPROPRIATE_FALLBACK: (
        "The client tried again with an older version than the server speaks, and said so. "
        "Something on the way broke the first attempt, perhaps on purpose.",
        "RFC 7507",
    ),
    Alert.USER_CANCELED: (
        "The sender gave up the handshake for a reason of its own; a close_notify follows. "
        "Informational.",
        f"{_TLS13}, section 6.1",
    ),
    Alert.NO_RENEGOTIATION: (
        "A new handshake within a TLS 1.2 connection was asked for and declined. This package "
        "always declines.",
        "RFC 5246, section 7.2.2",
    ),
    Alert.MISSING_EXTENSION: (
        "A message lacked an extension that has to be there, such as key_share or "
        "signature_algorithms. A fault in the implementation that sent it.",
        f"{_TLS13}, section 6.2",
    ),
    Alert.UNSUPPORTED_EXTENSION: (
        "A message carried an extension that was not asked for or has no place in it. A fault in "
        "the implementation that sent it.",
        f"{_TLS13}, section 6.2",
    ),
    Alert.UNRECOGNIZED_NAME: (
        "The server has no certificate or site of the name that the client asked for (SNI). Check "
        "the name, or add it to the server.",
        "RFC 6066, section 3",
    ),
    Alert.BAD_CERTIFICATE_STATUS_RESPONSE: (
        "The OCSP response that came with the certificate was not valid, or is missing where the "
        "certificate demands one.",
        "RFC 6066, section 8",
    ),
    Alert.UNKNOWN_PSK_IDENTITY: (
        "None of the pre-shared keys that the client offered is known to the server.",
        f"{_TLS13}, section 6.2",
    ),
    Alert.CERTIFICATE_REQUIRED: (
        "The server insists on a client certificate, and the client showed none. In TLS 1.3 the "
        "client learns this after its handshake is complete, with its first read.",
        f"{_TLS13}, section 6.2",
    ),
    Alert.NO_APPLICATION_PROTOCOL: (
        "Client and server both named application protocols (ALPN) and have none in common.",
        "RFC 7301, section 3.2",
    ),
    Alert.ECH_REQUIRED: (
        "The server could not decrypt the encrypted ClientHello and gave the client newer keys to "
        "try again with.",
        "RFC 9849, section 11.2",
    ),
    Alert.GENERAL_ERROR: ("A failure that no other alert describes.", "RFC 9261"),
    Alert.DECRYPTION_FAILED: (
        "Of TLS 1.0: a record did not decrypt. It told attackers too much; bad_record_mac has "
        "replaced it.",
        "RFC 5246, section 7.2.2",
    ),
    Alert.DECOMPRESSION_FAILURE: (
        "Of earlier versions: a record could not be decompressed. Records are not compressed any "
        "more (CRIME).",
        "RFC 5246, section 7.2.2",
    ),
    Alert.NO_CERTIFICATE: (
        "Of SSL 3.0: the client has no certificate to show. Now it shows an empty list.",
        "RFC 6101, section 5.4.2",
    ),
    Alert.EXPORT_RESTRICTION: (
        "Of TLS 1.0: a key too long for the export laws of the time.",
        "RFC 2246, section 7.2.2",
    ),
    Alert.CERTIFICATE_UNOBTAINABLE: (
        "Of TLS 1.2: a server could not fetch a client's certificate from the URL that it gave. "
        "Hardly anyone ever did.",
        "RFC 6066, section 9",
    ),
    Alert.BAD_CERTIFICATE_HASH_VALUE: (
        "Of TLS 1.2: what a server found at a certificate's URL was not what the hash said.",
        "RFC 6066, section 9",
    ),
}

EXTENSIONS: dict[ExtensionType, tuple[str, str]] = {
    ExtensionType.SERVER_NAME: (
        "SNI: the host name that the client wants, so that one address can serve many. It travels "
        "in the clear unless ECH hides it.",
        "RFC 6066, section 3",
    ),
    ExtensionType.MAX_FRAGMENT_LENGTH: (
        "Asks for smaller records, for devices with little memory. record_size_limit replaced it.",
        "RFC 6066, section 4",
    ),
    ExtensionType.STATUS_REQUEST: (
        "OCSP stapling: the client asks for, and the server sends with its certificate, the "
        "authority's recent word that it is not revoked.",
        "RFC 6066, section 8",
    ),
    ExtensionType.SUPPORTED_GROUPS: (
        "The key exchanges that the client can do, in order of preference.",
        f"{_TLS13}, section 4.2.7",
    ),
    ExtensionType.EC_POINT_FORMATS: (
        "How points of elliptic curves are written. Only 'uncompressed' is left; TLS 1.3 dropped "
        "it.",
        "RFC 8422, section 5.1.2",
    ),
    ExtensionType.SIGNATURE_ALGORITHMS: (
        "The signature schemes that the other side may prove its identity with.",
        f"{_TLS13}, section 4.2.3",
    ),
    ExtensionType.ALPN: (
        "The protocols that the client could speak inside, such as h2 or http/1.1; the server "
        "picks one.",
        "RFC 7301",
    ),
    ExtensionType.SIGNED_CERTIFICATE_TIMESTAMP: (
        "Certificate Transparency: proof that a certificate was entered in public logs.",
        "RFC 6962, section 3.3.1",
    ),
    ExtensionType.CLIENT_CERTIFICATE_TYPE: (
        "Whether the client shows an X.509 certificate or a bare public key.",
        "RFC 7250",
    ),
    ExtensionType.SERVER_CERTIFICATE_TYPE: (
        "Whether the server shows an X.509 certificate or a bare public key.",
        "RFC 7250",
    ),
    ExtensionType.PADDING: (
        "Bytes without meaning, for servers that stumble over certain sizes.",
        "RFC 7685",
    ),
    ExtensionType.EXTENDED_MASTER_SECRET: (
        "TLS 1.2: binds the secret to the whole handshake. Without it two connections can be made "
        "to share one (the triple handshake attack).",
        "RFC 7627",
    ),
    ExtensionType.COMPRESS_CERTIFICATE: (
        "The ways in which certificates may be compressed, which make up most of a server's "
        "flight.",
        "RFC 8879",
    ),
    ExtensionType.RECORD_SIZE_LIMIT: ("The largest record that its sender will take.", "RFC 8449"),
    ExtensionType.DELEGATED_CREDENTIAL: (
        "A short-lived key that a certificate's owner has signed, so that the long-lived one can "
        "stay at home.",
        "RFC 9345",
    ),
    ExtensionType.SESSION_TICKET: (
        "TLS 1.2: a sealed note by which the server recognises a session that it does not "
        "remember.",
        "RFC 5077",
    ),
    ExtensionType.PRE_SHARED_KEY: (
        "The keys of earlier sessions (or agreed on elsewhere) that the client would resume with. "
        "Always the last extension, as its binders authenticate everything before it.",
        f"{_TLS13}, section 4.2.11",
    ),
    ExtensionType.EARLY_DATA: (
        "0-RTT: data comes with the ClientHello. It can be replayed by anyone who records it, so "
        "only for requests that change nothing.",
        f"{_TLS13}, section 4.2.10",
    ),
    ExtensionType.SUPPORTED_VERSIONS: (
        "The versions that the client speaks, and the one that the server chose. The version "
        "field of old is frozen at TLS 1.2, as too much on the way chokes on a new number.",
        f"{_TLS13}, section 4.2.1",
    ),
    ExtensionType.COOKIE: (
        "What a server that remembers nothing gives the client to bring back with its second "
        "ClientHello.",
        f"{_TLS13}, section 4.2.2",
    ),
    ExtensionType.PSK_KEY_EXCHANGE_MODES: (
        "Whether a resumed session also exchanges fresh keys (psk_dhe_ke), for forward secrecy.",
        f"{_TLS13}, section 4.2.9",
    ),
    ExtensionType.CERTIFICATE_AUTHORITIES: (
        "The authorities whose certificates the sender accepts.",
        f"{_TLS13}, section 4.2.4",
    ),
    ExtensionType.OID_FILTERS: (
        "What a client certificate's extensions have to contain.",
        f"{_TLS13}, section 4.2.5",
    ),
    ExtensionType.POST_HANDSHAKE_AUTH: (
        "The client agrees to be asked for its certificate later.",
        f"{_TLS13}, section 4.2.6",
    ),
    ExtensionType.SIGNATURE_ALGORITHMS_CERT: (
        "The signature schemes that certificates may carry, where they are others than those for "
        "the handshake.",
        f"{_TLS13}, section 4.2.3",
    ),
    ExtensionType.KEY_SHARE: (
        "Ephemeral public keys, sent on the guess that the server takes one of these groups. A "
        "wrong guess costs a HelloRetryRequest.",
        f"{_TLS13}, section 4.2.8",
    ),
    ExtensionType.ECH_OUTER_EXTENSIONS: (
        "Inside ECH: extensions that are copied from the outer ClientHello.",
        "RFC 9849, section 5.1",
    ),
    ExtensionType.ENCRYPTED_CLIENT_HELLO: (
        "ECH: the real ClientHello, encrypted to a key from DNS, so that nobody on the way sees "
        "the name that is asked for. Many clients send a random one, so that real ones do not "
        "stand out.",
        "RFC 9849",
    ),
    ExtensionType.RENEGOTIATION_INFO: (
        "TLS 1.2: ties a renegotiation to the connection it happens in.",
        "RFC 5746",
    ),
}

MESSAGES: dict[HandshakeType, tuple[str, str]] = {
    HandshakeType.HELLO_REQUEST: (
        "TLS 1.2: the server asks for a new handshake. This package does not renegotiate.",
        "RFC 5246, section 7.4.1.1",
    ),
    HandshakeType.CLIENT_HELLO: (
        "The client's offer: versions, cipher suites, groups, the name it wants, and ephemeral "
        "keys.",
        f"{_TLS13}, section 4.1.2",
    ),
    HandshakeType.SERVER_HELLO: (
        "The server's choice, and its half of the key exchange. All that follows is encrypted in "
        "TLS 1.3. With a fixed value for its random it is a HelloRetryRequest: another key share "
        "is wanted.",
        f"{_TLS13}, section 4.1.3",
    ),
    HandshakeType.NEW_SESSION_TICKET: (
        "A ticket with which the client can resume this session, without certificates.",
        f"{_TLS13}, section 4.6.1",
    ),
    HandshakeType.END_OF_EARLY_DATA: (
        "The client's 0-RTT data is over.",
        f"{_TLS13}, section 4.5",
    ),
    HandshakeType.ENCRYPTED_EXTENSIONS: (
        "The server's answers to the client's extensions, where they need no one else's eyes.",
        f"{_TLS13}, section 4.3.1",
    ),
    HandshakeType.CERTIFICATE: (
        "Who the sender claims to be: its certificate, and those of the authorities up to, but "
        "not including, the root.",
        f"{_TLS13}, section 4.4.2",
    ),
    HandshakeType.SERVER_KEY_EXCHANGE: (
        "TLS 1.2: the server's ephemeral key, signed.",
        "RFC 8422, section 5.4",
    ),
    HandshakeType.CERTIFICATE_REQUEST: (
        "The server wants the client's certificate.",
        f"{_TLS13}, section 4.3.2",
    ),
    HandshakeType.SERVER_HELLO_DONE: (
        "TLS 1.2: the server's flight is over.",
        "RFC 5246, section 7.4.5",
    ),
    HandshakeType.CERTIFICATE_VERIFY: (
        "The proof that the sender holds its certificate's key: a signature over all messages "
        "so far.",
        f"{_TLS13}, section 4.4.3",
    ),
    HandshakeType.CLIENT_KEY_EXCHANGE: (
        "TLS 1.2: the client's ephemeral key.",
        "RFC 8422, section 5.7",
    ),
    HandshakeType.FINISHED: (
        "A MAC over the whole handshake: both sides saw the same messages and hold the same keys.",
        f"{_TLS13}, section 4.4.4",
    ),
    HandshakeType.CERTIFICATE_STATUS: (
        "TLS 1.2: the stapled OCSP response.",
        "RFC 6066, section 8",
    ),
    HandshakeType.KEY_UPDATE: (
        "The sender moves on to its next key, and may ask the other side to do so.",
        f"{_TLS13}, section 4.6.3",
    ),
    HandshakeType.COMPRESSED_CERTIFICATE: ("A Certificate message, compressed.", "RFC 8879"),
    HandshakeType.MESSAGE_HASH: (
        "Never sent: stands for the first ClientHello in the transcript after a HelloRetryRequest.",
        f"{_TLS13}, section 4.4.1",
    ),
}

TERMS: dict[str, tuple[str, str]] = {
    "0-RTT": (
        "Data sent with the first message of a resumed session, a round trip earlier. It lacks "
        "forward secrecy and can be replayed.",
        f"{_TLS13}, section 2.3",
    ),
    "1-RTT": (
        "A handshake of one round trip, which TLS 1.3's is: the client's first data can follow "
        "the server's first answer.",
        f"{_TLS13}, section 2",
    ),
    "SNI": EXTENSIONS[ExtensionType.SERVER_NAME],
    "ECH": EXTENSIONS[ExtensionType.ENCRYPTED_CLIENT_HELLO],
    "OCSP": EXTENSIONS[ExtensionType.STATUS_REQUEST],
    "staple": EXTENSIONS[ExtensionType.STATUS_REQUEST],
    "PSK": EXTENSIONS[ExtensionType.PRE_SHARED_KEY],
    "GREASE": (
        "Reserved values that clients sprinkle over their offers, so that servers which choke on "
        "the unknown are found while it does not matter yet.",
        "RFC 8701",
    ),
    "HelloRetryRequest": (
        "The server's answer when the client guessed the wrong key share. It costs a round trip; "
        "offering the right group first avoids it.",
        f"{_TLS13}, section 4.1.4",
    ),
    "forward secrecy": (
        "Keys are made anew for each connection and forgotten, so that who steals a certificate's "
        "key later cannot read what was recorded before.",
        "",
    ),
    "post-quantum": (
        "Safe from quantum computers that may come. What is recorded today can be decrypted then, "
        "so key exchanges matter first: X25519MLKEM768 combines ML-KEM with X25519, and is broken "
        "only if both are.",
        "draft-ietf-tls-ecdhe-mlkem",
    ),
    "mutual TLS": (
        "Both sides show certificates: the server knows who is calling.",
        f"{_TLS13}, section 4.3.2",
    ),
    "STARTTLS": (
        "TLS that begins with a command inside a plaintext protocol. Whoever stands in between "
        "can suppress the offer, so a client that needs TLS has to insist on it.",
        "RFC 3207",
    ),
    "key log": (
        "A file with the secrets of connections (SSLKEYLOGFILE), with which Wireshark decrypts a "
        "recording. Whoever has it can read them all.",
        "RFC 9850",
    ),
    "middlebox compatibility": (
        "TLS 1.3 dressed up as a resumed session of TLS 1.2, with a change_cipher_spec that means "
        "nothing, so that boxes on the way let it pass.",
        f"{_TLS13}, appendix D.4",
    ),
}

_ALIASES = {
    "mtls": "mutual TLS",
    "hrr": "HelloRetryRequest",
    "pq": "post-quantum",
    "pqc": "post-quantum",
    "sslkeylogfile": "key log",
    "early data": "0-RTT",
    "application_layer_protocol_negotiation": "ALPN",
}


def _entries() -> list[Entry]:
    found = [
        Entry("alert", Alert(code).name.lower(), int(code), text, source)
        for code, (text, source) in ALERTS.items()
    ]
    found += [
        Entry("extension", extension.name.lower(), int(extension), text, source)
        for extension, (text, source) in EXTENSIONS.items()
    ]
    found += [
        Entry("message", kind.name.lower(), int(kind), text, source)
        for kind, (text, source) in MESSAGES.items()
    ]
    found += [Entry("reason", name, None, text, "") for name, text in REASONS.items()]
    found += [Entry("term", name, None, text, source) for name, (text, source) in TERMS.items()]
    for kind, texts in KINDS.items():
        found += [
            Entry(kind, type(member).label(member), int(member), text, source)
            for member, (text, source) in texts.items()
        ]
    return found


ENTRIES: tuple[Entry, ...] = tuple(_entries())
"""All that is known."""


def _plain(word: str) -> str:
    return re.sub(r"[^a-z0-9]", "", word.lower())


def look_up(word: str) -> list[Entry]:
    """The entries for a name or a code point (40, 0x11ec); empty where there are none.

    Names of OpenSSL's are understood too: ``SSLV3_ALERT_HANDSHAKE_FAILURE`` is the alert.
    """
    word = word.strip()
    word = _ALIASES.get(word.lower(), word)
    number = _number(word)
    if number is not None:
        return [entry for entry in ENTRIES if entry.code == number]
    wanted = _plain(word)
    if not wanted:
        return []
    found = [entry for entry in ENTRIES if _plain(entry.name) == wanted]
    if not found:
        stripped = re.sub(r"^(ssl_?r_|ssl_ad_)?(sslv3_|tlsv1[0-9]?_)?(alert_)?", "", word.lower())
        if stripped != word.lower():
            found = [entry for entry in ENTRIES if _plain(entry.name) == _plain(stripped)]
    return found


def _number(word: str) -> int | None:
    try:
        return int(word, 0)
    except ValueError:
        return None


def similar(word: str, count: int = 3) -> list[str]:
    """Names that look like *word*, for who has mistyped one."""
    names = {_plain(entry.name): entry.name for entry in ENTRIES}
    close = difflib.get_close_matches(_plain(word), names, n=count, cutoff=0.6)
    if not close:
        close = [plain for plain in names if _plain(word) and _plain(word) in plain][:count]
    return [names[plain] for plain in close]
