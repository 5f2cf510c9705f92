"""What the exceptions say beyond the standard library's: who can mend it, with which call of a
context's. Programs written for ssl have no ClientConfig."""

from __future__ import annotations

import re
import ssl as standard
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from aiotls import ssl
from aiotls.ssl.hints import in_contexts
from tests.certificates import DAY, NOW, authority, intermediate, leaf

Contexts = tuple[ssl.SSLContext, ssl.SSLContext]
TLS12, TLS13 = standard.TLSVersion.TLSv1_2, standard.TLSVersion.TLSv1_3
CALL = re.compile(r"(?:Client|Server)Config\([^()\n]*(?:\([^()]*\)[^()\n]*)*\)")
NATIVE = re.compile(r"Config\(|TrustStore|Identity\.|ProtocolVersion|NamedGroup|select_identity")


class Maker:
    """Makes the contexts of one case."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory

    def path(self, data: bytes) -> str:
        path = self.directory / f"{len(list(self.directory.iterdir()))}.pem"
        path.write_bytes(data)
        return str(path)

    def server(self, pem: bytes = b"", **settings: Any) -> ssl.SSLContext:
        context = ssl.SSLContext(standard.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(self.path(pem or leaf("localhost").chain_pem))
        return self.set(context, settings)

    def client(self, ca: str = "", **settings: Any) -> ssl.SSLContext:
        context = ssl.SSLContext(standard.PROTOCOL_TLS_CLIENT)
        known = authority(ca) if ca else authority()
        context.load_verify_locations(self.path(known.pem))
        return self.set(context, settings)

    def strict(self, ca: str = "") -> ssl.SSLContext:
        """A server that insists on a client's certificate."""
        context = self.server()
        context.load_verify_locations(self.path((authority(ca) if ca else authority()).pem))
        context.verify_mode = standard.CERT_REQUIRED
        return context

    @staticmethod
    def set(context: ssl.SSLContext, settings: dict[str, Any]) -> ssl.SSLContext:
        for name, value in settings.items():
            if name.startswith("set_"):
                getattr(context, name)(value)
            else:
                setattr(context, name, value)
        return context

    def showing(self, context: ssl.SSLContext, pem: bytes) -> ssl.SSLContext:
        context.load_cert_chain(self.path(pem))
        return context


BELOW = leaf("localhost", issuer=intermediate())
OWN = leaf("localhost", self_signed=True)
COMPANY = (
    'is an authority of your company or your own, trust it: context.load_verify_locations("ca.pem")'
    ", or SSL_CERT_FILE=ca.pem in the environment."
)
OLD, NEW = "ECDHE-ECDSA-AES128-GCM-SHA256", "ECDHE-ECDSA-AES256-GCM-SHA384"

CASES: dict[str, tuple[Callable[[Maker], Contexts], str, str]] = {
    "expired": (
        lambda m: (
            m.client(),
            m.server(leaf("localhost", begins=NOW - 30 * DAY, ends=NOW - 3 * DAY).chain_pem),
        ),
        "The server's owner must renew it; if the clock is wrong, set it.",
        "renew it, unless it is the client's clock that is wrong.",
    ),
    "another host": (
        lambda m: (m.client(), m.server(leaf("other.example").chain_pem)),
        'ask for it: server_hostname="other.example".',
        "Often the name it asked for is not in the certificate.",
    ),
    "an unknown authority": (
        lambda m: (m.client("another"), m.server()),
        f'If "aiotls test root" {COMPANY}',
        "serve the full chain, with its intermediates, or have the client trust the authority.",
    ),
    "an intermediate that is missing": (
        lambda m: (m.client(), m.server(BELOW.pem + BELOW.key_pem)),
        f'If "aiotls test intermediate" {COMPANY}',
        "serve the full chain, with its intermediates, or have the client trust the authority.",
    ),
    "self-signed": (
        lambda m: (m.client(), m.server(OWN.chain_pem)),
        'trust this very certificate: context.load_verify_locations("server.pem"). If it is for',
        "or have the client trust the authority.",
    ),
    "an old server": (
        lambda m: (m.client(minimum_version=TLS13), m.server(maximum_version=TLS12)),
        "It may be limited to TLS 1.2, which context.minimum_version = ssl.TLSVersion.TLSv1_2 "
        "allows.",
        "context.maximum_version = ssl.TLSVersion.TLSv1_3 would let this client in.",
    ),
    "an old client": (
        lambda m: (m.client(maximum_version=TLS12), m.server(minimum_version=TLS13)),
        "It may insist on TLS 1.3, which context.maximum_version = ssl.TLSVersion.TLSv1_3 offers.",
        "context.minimum_version = ssl.TLSVersion.TLSv1_2 would let this client in.",
    ),
    "no common suite": (
        lambda m: (
            m.client(maximum_version=TLS12, set_ciphers=OLD),
            m.server(maximum_version=TLS12, set_ciphers=NEW),
        ),
        "TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256], less than the default: offer more "
        "(set_ciphers(), set_groups()).",
        "this server takes TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384: context.set_ciphers().",
    ),
    "no common group": (
        lambda m: (m.client(set_groups="X25519"), m.server(set_groups="P-256")),
        "The context has groups=[X25519], less than the default: offer more (set_ciphers(), "
        "set_groups()).",
        "The client offers X25519; this server takes secp256r1: context.set_groups().",
    ),
    "a client's certificate is missing": (
        lambda m: (m.client(), m.strict()),
        "The server requires a certificate from its clients: "
        'context.load_cert_chain("client.pem", "client.key").',
        "Its owner has to give it one by an authority that this server trusts.",
    ),
    "a client's certificate is a stranger's": (
        lambda m: (m.showing(m.client(), leaf("client").chain_pem), m.strict("another")),
        "Send the intermediates along (load_cert_chain() of a full chain), or have the server's "
        "owner trust the issuer.",
        'If "aiotls test root" is yours to trust, add its certificate to the server\'s trust.',
    ),
}


@pytest.mark.parametrize(("make", "client_hint", "server_hint"), CASES.values(), ids=CASES)
def test_hints_name_calls_of_contexts(
    make: Callable[[Maker], Contexts], client_hint: str, server_hint: str, tmp_path: Path
) -> None:
    client, server = make(Maker(tmp_path))
    to_server, to_client = standard.MemoryBIO(), standard.MemoryBIO()
    errors: dict[str, standard.SSLError] = {}
    ends = {
        "client": client.wrap_bio(to_client, to_server, server_hostname="localhost"),
        "server": server.wrap_bio(to_server, to_client, server_side=True),
    }
    for _ in range(6):
        for name, end in ends.items():
            try:
                end.do_handshake()
                if name == "client":
                    end.read(1)
            except standard.SSLWantReadError:
                continue
            except standard.SSLError as error:
                errors.setdefault(name, error)
    for name, expected in (("client", client_hint), ("server", server_hint)):
        hint = errors[name].hint  # type: ignore[attr-defined]
        assert expected in hint
        assert hint in errors[name].__notes__
        assert not NATIVE.search(hint)


def test_every_call_that_the_engine_advises_has_its_like_here() -> None:
    """The hints stand in these rooms, whole or in pieces that are joined."""
    advised = set()
    for room in ("handshake", "trust"):
        for path in (Path(__file__).parents[2] / "aiotls" / room).glob("*.py"):
            text = re.sub(r'"\s*\n\s*f?"', "", path.read_text())  # adjacent literals
            advised |= set(CALL.findall(text))
    told = {call for call in advised if "{" not in call and "=" in call}
    assert len(told) >= 10
    assert not {call for call in told if in_contexts(call) == call}
