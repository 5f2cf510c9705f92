"""The engine's hints in the words of this module: what they tell people to write is a context's."""

from __future__ import annotations

import re

IN_CONTEXTS = tuple(
    (re.compile(native), here)
    for native, here in (
        (
            r'ClientConfig\(trust=TrustStore\.from_files\("ca\.pem"\)\)',
            'context.load_verify_locations("ca.pem")',
        ),
        (
            r'TrustStore\.from_files\("server\.pem", profile="private-pki"\)',
            'context.load_verify_locations("server.pem")',
        ),
        (
            r'TrustStore\.from_files\(\.\.\., profile="private-pki"\)',
            "context.verify_flags &= ~ssl.VERIFY_X509_STRICT",
        ),
        (
            r"(?:Client|Server)Config\((min|max)_version=ProtocolVersion\.(\w+)\)",
            r"context.\1imum_version = ssl.TLSVersion.\2",
        ),
        (
            r"ClientConfig\(groups=\[NamedGroup\.X25519, NamedGroup\.SECP256R1\]\)",
            'context.set_groups("X25519:P-256")',
        ),
        (
            r"ClientConfig\((\w+=\[.*\])\) is less than the default: offer more",
            r"The context has \1, less than the default: offer more (set_ciphers(), set_groups())",
        ),
        (
            r'ClientConfig\(identity=Identity\.from_files\("client\.pem", "client\.key"\)\)',
            'context.load_cert_chain("client.pem", "client.key")',
        ),
        (r"Identity\.from_files of", "load_cert_chain() of"),
        (r"ServerConfig\(identities=\[\.\.\.\]\)", "a second context.load_cert_chain()"),
        (r"ServerConfig\(cipher_suites=\)", "context.set_ciphers()"),
        (r"ServerConfig\(groups=\)", "context.set_groups()"),
        (r"ClientConfig\(alpn_protocols=\[\.\.\.\]\)", "context.set_alpn_protocols([...])"),
        (r"ServerConfig\(alpn_protocols=\)", "context.set_alpn_protocols()"),
        (r"ClientConfig\(psks=\[\.\.\.\]\)", "context.set_psk_client_callback()"),
        (
            r"ClientConfig\(dangerous_allow_legacy_servers=True\)",
            "context.options |= ssl.OP_LEGACY_SERVER_CONNECT",
        ),
    )
)


def in_contexts(hint: str) -> str:
    """A hint of the engine's, for those who have an SSLContext and no ClientConfig."""
    for native, here in IN_CONTEXTS:
        hint = native.sub(here, hint)
    return hint
