"""What to do about the end of a handshake that the other side has not explained.

An alert is one byte, and a connection that is closed says nothing at all. What this side knows
(what it has offered or shown, and how far the handshake got) narrows down what it can mean.
"""

from __future__ import annotations

from collections.abc import Sequence

from ..config import DEFAULT_GROUPS, DEFAULT_SUITES, ClientConfig, Config
from ..crypto.signatures import DEFAULT_SCHEMES
from ..enums import Alert, ProtocolVersion
from ..errors import AlertReceived, TLSError, Truncated
from ..identity import Identity
from ..trust.certificates import title

_NEGOTIATION = (Alert.HANDSHAKE_FAILURE, Alert.INSUFFICIENT_SECURITY)
_CERTIFICATES = {
    Alert.BAD_CERTIFICATE: "it refused",
    Alert.UNSUPPORTED_CERTIFICATE: "whose kind it does not take",
    Alert.CERTIFICATE_REVOKED: "which it holds for revoked",
    Alert.CERTIFICATE_EXPIRED: "which it holds for expired",
    Alert.CERTIFICATE_UNKNOWN: "it refused",
    Alert.UNKNOWN_CA: "whose issuer it does not trust",
    Alert.ACCESS_DENIED: "which it recognizes, and does not let in",
}
_REMEDIES = {
    Alert.UNSUPPORTED_CERTIFICATE: "Ask its owner which keys and uses it takes.",
    Alert.CERTIFICATE_REVOKED: "Get a new one from its issuer.",
    Alert.CERTIFICATE_EXPIRED: "Renew it, or have the server's clock set.",
    Alert.UNKNOWN_CA: (
        "Send the intermediates along (Identity.from_files of a full chain), or have the server's "
        "owner trust the issuer."
    ),
    Alert.ACCESS_DENIED: "Ask its owner for access.",
}
_BREACHES = (
    Alert.UNEXPECTED_MESSAGE,
    Alert.BAD_RECORD_MAC,
    Alert.RECORD_OVERFLOW,
    Alert.ILLEGAL_PARAMETER,
    Alert.DECODE_ERROR,
    Alert.DECRYPT_ERROR,
    Alert.MISSING_EXTENSION,
    Alert.UNSUPPORTED_EXTENSION,
)
_OWN_CERTIFICATE = 'ClientConfig(identity=Identity.from_files("client.pem", "client.key"))'


def advise(error: TLSError, config: Config, name: str | None, expecting: str) -> str | None:
    """A hint for *error*, the peer's last word; None where there is nothing to say.

    *name* is the server's, for a client. *expecting* are the messages that were waited for, empty
    after the handshake.
    """
    if isinstance(config, ClientConfig):
        if isinstance(error, AlertReceived):
            return _for_client(error.alert, config, name, expecting)
        if isinstance(error, Truncated) and expecting:
            return _cut_for_client(config, name, expecting)
    elif isinstance(error, AlertReceived):
        return _for_server(error.alert)
    elif isinstance(error, Truncated) and expecting:
        return _cut_for_server(expecting)
    return None


# -- for clients -----------------------------------------------------------------------------------


def _for_client(alert: int, config: ClientConfig, name: str | None, expecting: str) -> str | None:
    if alert == Alert.PROTOCOL_VERSION:
        return _versions(config)
    if alert == Alert.CERTIFICATE_REQUIRED:
        return _wanted(config)
    if alert in _CERTIFICATES:
        shown = config.identities
        if config.select_identity is not None:
            return "The server refused the certificate that select_identity chose."
        if not shown:
            return "This client showed no certificate of its own; the server's log may say more."
        kind = Alert(alert)
        remedy = _REMEDIES.get(kind, "The server's log says why.")
        return f"This client showed the server its {_named(shown)}, {_CERTIFICATES[kind]}. {remedy}"
    if alert in _NEGOTIATION:
        if "server_hello" in expecting:
            return _offers(config, name)
        if not config.identities:  # TLS 1.2 has no other alert for it (RFC 5246, section 7.4.6)
            return f"The server may require a certificate from its clients: {_OWN_CERTIFICATE}."
        return "The server refused what came after its first message; its log says why."
    if alert == Alert.UNRECOGNIZED_NAME:
        return (
            f"The server has nothing for the name that was asked for, {_quoted(name)}. Ask for one "
            "that it has with server_hostname=, or have its owner add a certificate for this one."
        )
    if alert == Alert.NO_APPLICATION_PROTOCOL and not config.alpn:
        return "The server wants an application protocol: ClientConfig(alpn_protocols=[...])."
    if alert == Alert.NO_APPLICATION_PROTOCOL:
        protocols = ", ".join(p.decode("ascii", "backslashreplace") for p in config.alpn)
        return (
            f"This client offers the application protocols {protocols}, and the server speaks none "
            "of them. Offer another: ClientConfig(alpn_protocols=[...])."
        )
    if alert == Alert.UNKNOWN_PSK_IDENTITY:
        return "The server does not know the pre-shared key: compare ClientConfig(psks=[...])."
    return _for_both(alert)


def _versions(config: ClientConfig) -> str:
    offered = " and ".join(version.title for version in config.versions)
    hint = f"This client offers {offered}, and the server speaks nothing of it. "
    if config.min_version > ProtocolVersion.TLSv1_2:
        return hint + (
            "It may be limited to TLS 1.2, which ClientConfig(min_version=ProtocolVersion.TLSv1_2) "
            "allows."
        )
    if config.max_version < ProtocolVersion.TLSv1_3:
        return hint + (
            "It may insist on TLS 1.3, which ClientConfig(max_version=ProtocolVersion.TLSv1_3) "
            "offers."
        )
    return hint + "Its owner has to upgrade it: TLS 1.1 and older are not spoken here."


def _wanted(config: ClientConfig) -> str:
    if config.select_identity is not None:
        return "The server requires a certificate from its clients, and select_identity had none."
    if not config.identities:
        return f"The server requires a certificate from its clients: {_OWN_CERTIFICATE}."
    return (
        f"This client has the {_named(config.identities)}, and did not show it: the server takes "
        "none with such a key. Ask its owner for one that it takes."
    )


def _named(identities: Sequence[Identity]) -> str:
    """What a client may have shown, or could have."""
    titles = [
        f"certificate {title(one.certificate)}" if one.chain else "raw public key"
        for one in identities[:4]
    ]
    return " or ".join(titles)


def _offers(config: ClientConfig, name: str | None) -> str:
    """What a server can have meant that says only that nothing is in common."""
    narrowed = [
        f"{field}=[{', '.join(getattr(value, 'name', str(value)) for value in values)}]"
        for field, default in (
            ("cipher_suites", DEFAULT_SUITES),
            ("groups", DEFAULT_GROUPS),
            ("signature_schemes", DEFAULT_SCHEMES),
        )
        if set(default) - set(values := getattr(config, field))
    ]
    versions = " and ".join(version.title for version in config.versions)
    hint = (
        f"The server takes nothing of what this client offers with {versions}, or has no "
        f"certificate for the name {_quoted(name)}; its log says which. "
    )
    if narrowed:
        return hint + f"ClientConfig({', '.join(narrowed)}) is less than the default: offer more."
    return hint + (
        "All defaults were offered, so it may know nothing newer than CBC suites or RSA key "
        "exchange; its owner has to upgrade it then."
    )


def _cut_for_client(config: ClientConfig, name: str | None, expecting: str) -> str:
    if "server_hello" not in expecting:
        return (
            "The server closed the connection in the middle of the handshake, without an alert: "
            "its log says why. It may require a client certificate."
        )
    hint = (
        "The server closed the connection without an answer to the ClientHello. Usual causes: "
        "the port is not one for TLS, or wants an upgrade first (STARTTLS; aiotls connect "
        f"--starttls); the server has nothing for the name {_quoted(name)}"
    )
    # X25519MLKEM768 and the like make a ClientHello that needs two packets.
    if any(0x11EB <= group <= 0x11ED for group in config.groups):
        hint += (
            "; something in between drops a ClientHello of more than one packet, which "
            "ClientConfig(groups=[NamedGroup.X25519, NamedGroup.SECP256R1]) tells"
        )
    return hint + "."


# -- for servers -----------------------------------------------------------------------------------


def _for_server(alert: int) -> str | None:
    if alert == Alert.CERTIFICATE_EXPIRED:
        return (
            "The client holds this server's certificate for expired: renew it, unless it is the "
            "client's clock that is wrong."
        )
    if alert == Alert.UNKNOWN_CA:
        return (
            "The client does not trust who issued this server's certificate: serve the full chain, "
            "with its intermediates, or have the client trust the authority."
        )
    if alert in _CERTIFICATES:
        return (
            "The client refused this server's certificate; its error says why. Often the name it "
            "asked for is not in the certificate."
        )
    if alert in _NEGOTIATION or alert == Alert.PROTOCOL_VERSION:
        return "The client takes nothing of what this server chose; its error says what it missed."
    return _for_both(alert)


def _cut_for_server(expecting: str) -> str:
    if "client_hello" in expecting:
        return "Health checks and port scanners do that."
    return "Clients that give up do that, and those that refuse a certificate without an alert."


# -- for both --------------------------------------------------------------------------------------


def _for_both(alert: int) -> str | None:
    if alert == Alert.INTERNAL_ERROR:
        return "The other side failed for a reason of its own, which its log may tell."
    if alert in _BREACHES:
        return (
            "The other side holds that this one broke the protocol. One of them is wrong, or "
            "something in between changes the bytes: aiotls trace shows what was said."
        )
    return None


def _quoted(name: str | None) -> str:
    return f'"{name}"' if name else "that was not given"
