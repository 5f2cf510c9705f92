"""What NSS's tstclnt and selfserv do, which print what they think."""

from __future__ import annotations

import asyncio
import base64
import re
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    pkcs12,
)
from cryptography.x509 import ocsp

import aiotls
from aiotls.delegation import DelegatedCredential
from aiotls.enums import ExtensionType, HandshakeType, ProtocolVersion
from tests import certificates
from tests.engine.test_delegated_credentials import delegating

from .. import ours
from ..bench import (
    LABEL,
    LINE,
    PSK,
    Bench,
    Hellos,
    Messages,
    RefusingGuard,
    connected,
    hexadecimal,
    ready_guard,
    said,
)
from ..nss import PASSWORD
from ..peer import PATIENCE, Settings, http_body, http_request, lines
from . import every


async def refuses_early_data(bench: Bench) -> None:
    """Its guard is new, and refuses in its first seconds what may have been sent before it."""
    config = bench.client()
    with bench.peer.serve(Settings(credentials=bench.pki.server(), extra=("-Z",))) as server:
        data, _ = await ours.fetch(server.port, config, LINE, http=True)
        assert data == LINE
        early = http_request(LINE)
        async with connected(server.port, config, early_data=early, replay=True) as (
            reader,
            _,
            engine,
        ):
            async with asyncio.timeout(PATIENCE):
                assert http_body(await reader.read(-1)) == LINE
            assert engine.established.resumed
            assert not engine.early_data_accepted


async def sends_early_data(bench: Bench) -> None:
    config = bench.server(max_early_data=4096, replay_guard=ready_guard())
    settings = Settings(trust=bench.pki.trust_file, resume=True, extra=("-Z",))
    async with ours.serve(config, http=True) as server:
        outcome = await bench.visit(server.port, settings)
    assert outcome.data == LINE, outcome.error
    assert [tls["early_data"] for tls in server.connections] == [False, True]


async def sends_early_data_again(bench: Bench) -> None:
    """What the server refused is sent once more, by the client itself."""
    seen = Hellos()
    config = bench.server(max_early_data=4096, replay_guard=RefusingGuard(), observer=seen)
    settings = Settings(trust=bench.pki.trust_file, resume=True, extra=("-Z",))
    async with ours.serve(config, http=True) as server:
        outcome = await bench.visit(server.port, settings)
    assert outcome.data == LINE, outcome.error
    assert ExtensionType.EARLY_DATA in seen.client.extensions.types
    assert [tls["resumed"] for tls in server.connections] == [False, True]
    assert [tls["early_data"] for tls in server.connections] == [False, False]


async def client_knows_a_key(bench: Bench) -> None:
    """Without tickets: tstclnt gives up at one whose session has no certificate."""
    config = aiotls.ServerConfig(psk={PSK.identity: PSK}.get, tickets=0)
    settings = Settings(extra=("-z", f"0x{PSK.secret.hex()}:{PSK.identity.decode()}", "-v"))
    async with ours.serve(config, http=True) as server:
        outcome = await bench.visit(server.port, settings)
    assert outcome.data == LINE, outcome.error
    assert "Signature Scheme: none" in outcome.error


async def asks_later(bench: Bench) -> None:
    """It asks when the first request has come; three -r: ask, do not insist."""
    config = bench.client(identity=bench.pki.client_identity(), post_handshake_auth=True)
    extra = ("-E", "-r", "-r", "-v")
    settings = Settings(credentials=bench.pki.server(), trust=bench.pki.trust_file, extra=extra)
    with bench.peer.serve(settings) as server:
        async with connected(server.port, config) as (reader, writer, _):
            assert await ours.exchange((reader, writer), LINE, http=True) == LINE
        await said("client.example", server.log)


async def answers_later(bench: Bench) -> None:
    await every.answers_later_in_http(bench, "-E")


async def staples(bench: Bench) -> None:
    """It signs its response itself, with the authority's key, and for RSA certificates alone."""
    authority = certificates.authority()
    packed = bench.file(
        "authority.p12",
        pkcs12.serialize_key_and_certificates(
            b"signer",
            authority.key,
            authority.certificate,
            None,
            BestAvailableEncryption(PASSWORD.encode()),
        ),
    )
    for tls12 in (False, True):
        settings = Settings(
            credentials=bench.pki.server("rsa"),
            tls12=tls12,
            packed=packed,
            extra=("-T", "good", "-A", "signer"),
        )
        with bench.peer.serve(settings) as server:
            async with connected(server.port, bench.client()) as (reader, writer, engine):
                assert await ours.exchange((reader, writer), LINE, http=True) == LINE
                response = ocsp.load_der_ocsp_response(engine.peer.staple)
                assert response.certificate_status == ocsp.OCSPCertStatus.GOOD


async def takes_a_staple(bench: Bench) -> None:
    identity = bench.pki.server_identity().with_staple(bench.staple(), scts=[b"a timestamp"])
    async with ours.serve(aiotls.ServerConfig(identity=identity), http=True) as server:
        for tls12 in (False, True):
            settings = Settings(trust=bench.pki.trust_file, tls12=tls12, extra=("-T", "-U"))
            outcome = await bench.visit(server.port, settings)
            assert outcome.data == LINE, outcome.error
            assert "Received 1 Cert Status items" in outcome.error
            assert "Received a Signed Certificate Timestamp of length" in outcome.error


async def takes_a_delegated_key(bench: Bench) -> None:
    """RFC 9345, section 4: what signs is not the certificate's key."""
    identity = delegating()
    credential = DelegatedCredential.issue(identity, ec.generate_private_key(ec.SECP256R1()))
    config = aiotls.ServerConfig(identity=identity, delegations=[credential])
    settings = Settings(trust=bench.pki.trust_file, extra=("-B",))
    async with ours.serve(config, http=True) as server:
        outcome = await bench.visit(server.port, settings)
    assert outcome.data == LINE, outcome.error
    assert "Received a Delegated Credential" in outcome.error


async def keeps_to_our_limit(bench: Bench) -> None:
    for version in (ProtocolVersion.TLSv1_2, ProtocolVersion.TLSv1_3):
        config = bench.client(
            record_size_limit=300, max_version=version, observer=(seen := Hellos())
        )
        tls12 = version == ProtocolVersion.TLSv1_2
        with bench.peer.serve(Settings(credentials=bench.pki.server(), tls12=tls12)) as server:
            data, _ = await ours.fetch(server.port, config, lines(1024), http=True)
        assert data == lines(1024)
        assert ExtensionType.RECORD_SIZE_LIMIT in seen.answered


async def client_keeps_to_our_limit(bench: Bench) -> None:
    payload = lines(9000)
    for tls12 in (False, True):
        config = bench.server(record_size_limit=300, observer=(seen := Hellos()))
        async with ours.serve(config, http=True) as server:
            settings = Settings(trust=bench.pki.trust_file, tls12=tls12)
            outcome = await bench.visit(server.port, settings, payload)
        assert outcome.data == payload, outcome.error
        assert ExtensionType.RECORD_SIZE_LIMIT in seen.answered


async def exports_as_client(bench: Bench) -> None:
    for tls12 in (False, True):
        exported: list[str] = []

        def export(transport: Any, exported: list[str] = exported) -> None:
            exported.append(transport.connection.export_keying_material(LABEL, 20).hex())

        settings = Settings(
            trust=bench.pki.trust_file, tls12=tls12, extra=("-x", f"{LABEL}:20", "-v")
        )
        async with ours.serve(bench.server(), http=True, before_answer=export) as server:
            outcome = await bench.visit(server.port, settings)
        assert outcome.data == LINE, outcome.error
        assert exported[0] in dumped(outcome.error), outcome.error


async def exports_as_server(bench: Bench) -> None:
    for tls12 in (False, True):
        settings = Settings(
            credentials=bench.pki.server(), tls12=tls12, extra=("-x", f"{LABEL}:20", "-v")
        )
        with bench.peer.serve(settings) as server:
            async with connected(server.port, bench.client()) as (reader, writer, engine):
                assert await ours.exchange((reader, writer), LINE, http=True) == LINE
                expected = engine.export_keying_material(LABEL, 20).hex()
            await said(expected, lambda: dumped(server.log()))


def dumped(text: str) -> str:
    """Bytes from lines of hexadecimal, whatever stands between them."""
    return "".join(re.findall(r"\b[0-9a-f]{2}\b", hexadecimal(text.replace(":", " "))))


def ech_parameters(keys: aiotls.ECHKeys) -> tuple[str, str]:
    """A key and its configuration as selfserv takes them, of which it knows only its own form.

    That is PKCS #8 with the curve as one of ecPublicKey's, under a number from before RFC 8410.
    """
    private = keys.keys[0].private_key
    secret = private.private_bytes(Encoding.Raw, PrivateFormat.Raw, NoEncryption())
    public = private.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)
    curve = bytes.fromhex("06072a8648ce3d0201 06092b06010401da470f01")
    value = _der(0xA1, _der(3, b"\0", public))
    inner = _der(0x30, b"\x02\x01\x01", _der(4, secret), value)
    key = _der(0x30, b"\x02\x01\x00", _der(0x30, curve), _der(4, inner))
    packed = len(key).to_bytes(2, "big") + key + keys.config_list
    return ("-X", base64.b64encode(packed).decode())


def _der(tag: int, *parts: bytes) -> bytes:
    content = b"".join(parts)
    return bytes([tag, len(content)]) + content


async def takes_an_encrypted_hello(bench: Bench) -> None:
    keys, old = (aiotls.ECHKeys.generate("front.example") for _ in range(2))
    credentials = bench.pki.credentials("localhost", "front.example")
    settings = Settings(credentials=credentials, extra=ech_parameters(keys))
    with bench.peer.serve(settings) as server:
        for groups in (("x25519",), ("secp521r1", "x25519")):
            config = bench.client(ech=keys.config_list, groups=groups)
            async with connected(server.port, config) as (reader, writer, engine):
                assert await ours.exchange((reader, writer), LINE, http=True) == LINE
                assert engine.established.ech
        with pytest.raises(aiotls.ECHRejected) as caught:
            async with connected(server.port, bench.client(ech=old.config_list)):
                pass
        assert caught.value.retry_configs == keys.config_list


async def sends_an_encrypted_hello(bench: Bench) -> None:
    keys = aiotls.ECHKeys.generate("front.example")
    extra = ("-N", base64.b64encode(keys.config_list).decode())
    settings = Settings(trust=bench.pki.trust_file, extra=extra)
    async with ours.serve(bench.server(ech_keys=keys), http=True) as server:
        outcome = await bench.visit(server.port, settings)
        assert outcome.data == LINE, outcome.error
        outcome = await bench.visit(server.port, settings.but(extra=(*extra, "-I", "P384,x25519")))
        assert outcome.data == LINE, outcome.error
    assert [tls["ech"] for tls in server.connections] == [True, True]


async def is_told_our_newer_keys(bench: Bench) -> None:
    """Who uses keys that are gone gets the retry configs, under the public name's certificate."""
    keys, old = aiotls.ECHKeys.generate("localhost"), aiotls.ECHKeys.generate("localhost")
    extra = ("-N", base64.b64encode(old.config_list).decode())
    settings = Settings(trust=bench.pki.trust_file, extra=extra)
    async with ours.serve(bench.server(ech_keys=keys), http=True) as server:
        outcome = await bench.visit(server.port, settings)
    assert base64.b64encode(keys.config_list).decode() in outcome.error.replace("\n", "")


async def renegotiates(bench: Bench) -> None:
    """RFC 5246, section 7.2.2: no renegotiation is a warning, and the connection goes on."""
    config = bench.server(observer=(seen := Messages()))
    settings = Settings(trust=bench.pki.trust_file, tls12=True, extra=("-r", "1"))
    async with ours.serve(config, http=True) as server:
        outcome = await bench.visit(server.port, settings)
    assert outcome.data == LINE, outcome.error
    assert seen.received.count(HandshakeType.CLIENT_HELLO) == 2


async def asks_for_renegotiation(bench: Bench) -> None:
    """With three -r it wants a certificate in a second handshake, and waits for it for ever."""
    config = bench.client(observer=(seen := Messages()))
    settings = Settings(credentials=bench.pki.server(), tls12=True, extra=("-r", "-r", "-r"))
    with bench.peer.serve(settings) as server:
        async with connected(server.port, config) as (_, writer, engine):
            writer.write(http_request(LINE))
            asked = str(int(HandshakeType.HELLO_REQUEST))
            await said(asked, lambda: " ".join(map(str, map(int, seen.received[-1:]))))
            assert engine.error is None
