"""A context's settings, one by one: honoured, or refused at once; and what the stdlib lacks."""

from __future__ import annotations

import socket
import ssl
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509

import aiotls.ssl
from tests import certificates
from tests.engine.test_certificates import staple

from .engines import CONTROL, OURS, Files, client_context, module, server_context

SECONDS = 20.0


class Pair:
    """A client and a server in memory."""

    def __init__(self, client: Any, server: Any, session: Any = None) -> None:
        to_server, to_client = ssl.MemoryBIO(), ssl.MemoryBIO()
        self.to_server = to_server
        self.client = client.wrap_bio(
            to_client, to_server, server_hostname="localhost", session=session
        )
        self.server = server.wrap_bio(to_server, to_client, server_side=True)

    def shake_hands(self) -> Pair:
        waiting = [self.client, self.server]
        for _ in range(20):
            waiting = [side for side in waiting if not attempt(side.do_handshake)]
            if not waiting:
                break
        assert not waiting
        self.server.write(b"x")  # what follows a handshake (tickets) goes before it
        assert self.client.read() == b"x"
        return self

    def end(self) -> None:
        for _ in range(2):
            for side in (self.client, self.server):
                attempt(side.unwrap)


def attempt(step: Callable[[], Any]) -> bool:
    try:
        step()
    except ssl.SSLWantReadError:
        return False
    return True


def c_counters(context: ssl.SSLContext) -> dict[str, int]:
    """How often the context of OpenSSL's, below any subclass, was used."""
    stats: dict[str, int] = ssl._SSLContext.session_stats(context)  # type: ignore[attr-defined]
    return stats


@pytest.mark.parametrize("engine", [CONTROL, OURS])
def test_not_a_byte_goes_through_openssl(engine: str, files: Files) -> None:
    """Handshakes that were begun on the C object are counted by it."""
    client, server = client_context(engine, files), server_context(engine, files)
    Pair(client, server).shake_hands()
    begun = c_counters(client)["connect"] + c_counters(server)["accept"]
    assert begun == (0 if engine == OURS else 2)
    assert client.session_stats()["connect_good"] == server.session_stats()["accept_good"] == 1


@pytest.mark.parametrize("engine", [CONTROL, OURS])
def test_not_a_byte_of_a_socket_goes_through_openssl(engine: str, files: Files) -> None:
    """As above, with SSLSockets; and no byte is in OpenSSL's hands that is on the wire."""
    client, server = client_context(engine, files), server_context(engine, files)
    below, other = socket.socketpair()
    answers: list[bytes] = []

    def serve() -> None:
        with server.wrap_socket(other, server_side=True) as tls:
            tls.sendall(tls.recv(4))
            answers.append(tls.recv(4))

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    below.settimeout(SECONDS)
    with client.wrap_socket(below, server_hostname="localhost") as tls:
        tls.sendall(b"ping")
        assert tls.recv(4) == b"ping"
        native = ssl._ssl._SSLSocket  # type: ignore[attr-defined]
        assert isinstance(tls._sslobj, native) == (engine == CONTROL)
    thread.join(SECONDS)
    assert answers == [b""]
    begun = c_counters(client)["connect"] + c_counters(server)["accept"]
    assert begun == (0 if engine == OURS else 2)
    assert client.session_stats()["connect_good"] == server.session_stats()["accept_good"] == 1


def test_the_context_below_trusts_no_one_and_has_no_key(files: Files) -> None:
    """Code that takes OpenSSL's context out of ours fails: it does not run with less."""
    context = server_context(OURS, files)
    context.verify_mode = ssl.CERT_NONE
    native: Any = ssl._SSLContext  # type: ignore[attr-defined]
    assert native.verify_mode.__get__(context) == ssl.CERT_REQUIRED
    assert native.cert_store_stats(context)["x509"] == 0
    assert native.check_hostname.__get__(context)


def test_every_name_of_the_standard_library_is_there() -> None:
    assert [name for name in dir(ssl) if not hasattr(aiotls.ssl, name)] == []
    public = {name for name in dir(ssl) if not name.startswith("_")}
    assert public <= set(dir(aiotls.ssl))
    for kind in ("SSLContext", "SSLObject", "SSLSocket"):
        ours, theirs = getattr(aiotls.ssl, kind), getattr(ssl, kind)
        assert issubclass(ours, theirs)
        assert [name for name in dir(theirs) if not hasattr(ours, name)] == []
    for name in public:
        value = getattr(ssl, name)
        if isinstance(value, type) and issubclass(value, Exception):
            assert getattr(aiotls.ssl, name) is value  # handlers go on working


@pytest.mark.parametrize("purpose", [ssl.Purpose.SERVER_AUTH, ssl.Purpose.CLIENT_AUTH])
def test_the_default_context_has_the_same_settings(purpose: Any) -> None:
    ours, theirs = (m.create_default_context(purpose) for m in (aiotls.ssl, ssl))
    for name in ("protocol", "verify_mode", "check_hostname", "verify_flags", "sni_callback"):
        assert getattr(ours, name) == getattr(theirs, name), name
    assert ours.maximum_version == theirs.maximum_version


@pytest.mark.parametrize("version", ["TLSv1_2", "TLSv1_3"])
@pytest.mark.parametrize("bound", ["minimum_version", "maximum_version"])
def test_versions(files: Files, version: str, bound: str) -> None:
    client, server = client_context(OURS, files), server_context(OURS, files)
    setattr(client, bound, ssl.TLSVersion[version])
    assert getattr(client, bound) is ssl.TLSVersion[version]
    expected = "TLSv1.2" if (bound, version) == ("maximum_version", "TLSv1_2") else "TLSv1.3"
    assert Pair(client, server).shake_hands().client.version() == expected


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
@pytest.mark.parametrize(
    ("step", "words"),
    [
        (lambda c: setattr(c, "minimum_version", ssl.TLSVersion.TLSv1_1), "minimum_version"),
        (lambda c: setattr(c, "maximum_version", ssl.TLSVersion.TLSv1), "maximum_version"),
        (lambda c: setattr(c, "verify_flags", ssl.VERIFY_ALLOW_PROXY_CERTS), "PROXY_CERTS"),
        (lambda c: setattr(c, "hostname_checks_common_name", True), "common_name"),
        (lambda c: c.set_ciphers("AES128-SHA"), "No cipher can be selected"),
        (lambda c: c.set_npn_protocols(["h2"]), "NPN"),
        (lambda c: setattr(c, "num_tickets", 17), "num_tickets"),
        (lambda c: c.set_psk_server_callback(lambda name: b"", "hint"), "identity_hint"),
        (lambda c: c.set_groups([]), "No group"),
        (lambda c: aiotls.ssl.SSLContext(ssl.PROTOCOL_TLSv1_1), "not spoken here"),
    ],
)
def test_what_cannot_be_honoured_is_refused_when_it_is_set(
    step: Callable[[Any], Any], words: str, files: Files
) -> None:
    with pytest.raises(ssl.SSLError, match=words):
        step(server_context(OURS, files))


def test_dh_parameters_are_refused(files: Files, tmp_path: Path) -> None:
    path = tmp_path / "dh.pem"
    path.write_text("-----BEGIN DH PARAMETERS-----\nMAYCAQcCAQI=\n-----END DH PARAMETERS-----\n")
    with pytest.raises(ssl.SSLError, match="load_dh_params") as caught:
        server_context(OURS, files).load_dh_params(path)
    assert "set_groups" in "".join(caught.value.__notes__) + str(caught.value)


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_options_act_and_are_kept(files: Files) -> None:
    client, server = client_context(OURS, files), server_context(OURS, files)
    unknown = 1 << 40
    client.options |= ssl.OP_NO_TLSv1_3 | unknown
    assert client.options & unknown
    assert Pair(client, server).shake_hands().client.version() == "TLSv1.2"
    client.options |= ssl.OP_NO_TLSv1_2
    with pytest.raises(ssl.SSLError, match="NO_PROTOCOLS_AVAILABLE"):
        Pair(client, server)


def test_verify_flags_partial_chain(files: Files, tmp_path: Path) -> None:
    """Only with VERIFY_X509_PARTIAL_CHAIN does a certificate count that issued itself to no one."""
    leaf = certificates.leaf("localhost").chain_pem
    end = b"-----END CERTIFICATE-----\n"
    path = tmp_path / "leaf.pem"
    path.write_bytes(leaf[: leaf.index(end) + len(end)])
    server = server_context(OURS, files, certfile=write(tmp_path / "server.pem", leaf))
    client = aiotls.ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    client.load_verify_locations(path)
    with pytest.raises(ssl.SSLCertVerificationError):
        Pair(client, server).shake_hands()
    client.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
    Pair(client, server).shake_hands()


def test_verify_flags_ask_for_revocation_lists(files: Files) -> None:
    client, server = client_context(OURS, files), server_context(OURS, files)
    client.verify_flags |= ssl.VERIFY_CRL_CHECK_LEAF
    with pytest.raises(ssl.SSLCertVerificationError, match="unable to get certificate CRL") as e:
        Pair(client, server).shake_hands()
    assert e.value.verify_code == 3


def write(path: Path, data: bytes) -> str:
    path.write_bytes(data)
    return str(path)


@pytest.mark.parametrize("engine", [CONTROL, OURS])
def test_sni_callback_swaps_the_context(engine: str, files: Files) -> None:
    first = server_context(engine, files, certfile=files.other)
    second = server_context(engine, files)
    asked: list[Any] = []

    def choose(tls: Any, name: str, context: Any) -> None:
        asked.append((name, context is first))
        tls.context = second

    first.sni_callback = choose
    pair = Pair(client_context(engine, files), first).shake_hands()
    assert asked == [("localhost", True)]
    assert pair.server.context is second


@pytest.mark.parametrize("engine", [CONTROL, OURS])
def test_sni_callback_refuses_with_an_alert(engine: str, files: Files) -> None:
    server = server_context(engine, files)
    server.sni_callback = lambda *_: ssl.ALERT_DESCRIPTION_UNRECOGNIZED_NAME
    with pytest.raises(ssl.SSLError):
        Pair(client_context(engine, files), server).shake_hands()


@pytest.mark.parametrize("engine", [CONTROL, OURS])
def test_keylog_filename(engine: str, files: Files, tmp_path: Path) -> None:
    client = client_context(engine, files)
    path = str(tmp_path / "keys.log")
    client.keylog_filename = path
    assert client.keylog_filename == path
    Pair(client, server_context(engine, files)).shake_hands()
    lines = [line.split()[0] for line in Path(path).read_text().splitlines() if line[0] != "#"]
    assert sorted(set(lines) - {"EXPORTER_SECRET"}) == [
        "CLIENT_HANDSHAKE_TRAFFIC_SECRET",
        "CLIENT_TRAFFIC_SECRET_0",
        "SERVER_HANDSHAKE_TRAFFIC_SECRET",
        "SERVER_TRAFFIC_SECRET_0",
    ]


@pytest.mark.parametrize("engine", [CONTROL, OURS])
def test_post_handshake_auth(engine: str, files: Files) -> None:
    client = client_context(engine, files, certfile=files.client)
    client.post_handshake_auth = True
    server = server_context(engine, files, clients=True)
    server.post_handshake_auth = True
    pair = Pair(client, server).shake_hands()
    assert pair.server.getpeercert() is None
    pair.server.verify_client_post_handshake()
    pair.server.write(b"?")
    assert pair.client.read() == b"?"
    pair.client.write(b"!")
    assert pair.server.read() == b"!"
    assert pair.server.getpeercert()["subject"] == ((("commonName", "client.example"),),)


@pytest.mark.parametrize("pairing", [(CONTROL, CONTROL), (OURS, OURS), (OURS, CONTROL)])
def test_sessions_are_reused_and_counted(pairing: tuple[str, str], files: Files) -> None:
    client, server = client_context(pairing[0], files), server_context(pairing[1], files)
    first = Pair(client, server).shake_hands()
    session = first.client.session
    assert session is not None
    assert session.has_ticket
    assert not first.client.session_reused
    first.end()
    again = Pair(client, server, session).shake_hands()
    assert again.client.session_reused
    assert again.server.session_reused
    assert server.session_stats()["accept_good"] == 2
    assert server.session_stats()["hits"] == 1
    other = client_context(pairing[0], files)
    with pytest.raises(ValueError, match="different SSLContext"):
        Pair(other, server, session)


@pytest.mark.parametrize("engine", [CONTROL, OURS])
def test_num_tickets(engine: str, files: Files) -> None:
    client, server = client_context(engine, files), server_context(engine, files)
    assert server.num_tickets == 2
    server.num_tickets = 0
    pair = Pair(client, server).shake_hands()
    assert not pair.client.session.has_ticket


def test_pre_shared_keys(files: Files) -> None:
    client = aiotls.ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    client.check_hostname = False
    client.verify_mode = ssl.CERT_NONE
    server = aiotls.ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    secret = bytes(range(32))
    client.set_psk_client_callback(lambda hint: ("device", secret))
    server.set_psk_server_callback(lambda name: secret if name == "device" else b"")
    pair = Pair(client, server).shake_hands()
    assert pair.client.getpeercert(True) is None
    server.set_psk_server_callback(lambda name: b"")
    with pytest.raises(ssl.SSLError):
        Pair(client, server).shake_hands()


@pytest.mark.parametrize("engine", [CONTROL, OURS])
def test_message_callback(engine: str, files: Files) -> None:
    seen: list[tuple[Any, ...]] = []
    client = client_context(engine, files)
    client._msg_callback = lambda tls, way, version, content, message, data: seen.append(
        (way, getattr(content, "name", content), getattr(message, "name", message))
    )
    Pair(client, server_context(engine, files)).shake_hands()
    for entry in (
        ("write", "HANDSHAKE", "CLIENT_HELLO"),
        ("read", "HANDSHAKE", "SERVER_HELLO"),
        ("read", "HANDSHAKE", "CERTIFICATE"),
        ("read", "HANDSHAKE", "FINISHED"),
        ("write", "HANDSHAKE", "FINISHED"),
    ):
        assert entry in seen


def test_common_names_are_not_host_names(files: Files) -> None:
    context = client_context(OURS, files)
    assert context.hostname_checks_common_name is False
    context.hostname_checks_common_name = False


@pytest.mark.parametrize("engine", [CONTROL, OURS])
def test_verify_none_and_names_exclude_each_other(engine: str, files: Files) -> None:
    context = client_context(engine, files)
    with pytest.raises(ValueError, match="Cannot set verify_mode to CERT_NONE when check_hostname"):
        context.verify_mode = ssl.CERT_NONE
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    context.check_hostname = True
    assert context.verify_mode is ssl.CERT_REQUIRED


@pytest.mark.parametrize("name", ["", ".localhost"])
def test_names_that_are_none(name: str, files: Files) -> None:
    for engine in (CONTROL, OURS):
        with pytest.raises((ValueError, UnicodeError)):
            client_context(engine, files).wrap_bio(
                ssl.MemoryBIO(), ssl.MemoryBIO(), server_hostname=name
            )


def test_a_root_with_a_strange_version_is_an_ssl_error(files: Files) -> None:
    """X.509 has versions 1 to 3 (RFC 5280, section 4.1.2.1)."""
    der = ssl.PEM_cert_to_DER_cert(Path(files.ca).read_text())
    strange = der.replace(b"\xa0\x03\x02\x01\x02", b"\xa0\x03\x02\x01\x07", 1)
    assert strange != der
    context = client_context(OURS, files)
    for data in (strange, ssl.DER_cert_to_PEM_cert(strange)):
        with pytest.raises(ssl.SSLError):
            context.load_verify_locations(cadata=data)
    assert context.cert_store_stats()["x509"] == 1


# -- what the standard library lacks ---------------------------------------------------------------


def test_additions(files: Files) -> None:
    leaf = certificates.leaf("localhost")
    server = aiotls.ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.load_cert_chain_data(leaf.chain_pem)
    client = client_context(OURS, files)
    client.set_groups("X25519MLKEM768:X25519")
    assert client.get_groups() == ["X25519MLKEM768", "X25519"]
    pair = Pair(client, server).shake_hands()
    assert pair.client.group() == pair.server.group() == "X25519MLKEM768"
    assert pair.client.server_sigalg()
    assert pair.client.client_sigalg() is None
    keys = {side.export_keying_material("EXPORTER-x", 32) for side in (pair.client, pair.server)}
    assert len(keys) == 1
    chain = pair.client.verified_certificates()
    assert all(isinstance(certificate, x509.Certificate) for certificate in chain)
    assert len(chain) == len(pair.client.get_verified_chain()) >= 2
    assert pair.client.get_unverified_chain()[0] == pair.client.getpeercert(True)


def test_a_staple_reaches_the_client(files: Files) -> None:
    response = staple()
    identity = certificates.leaf("localhost").identity.with_staple(response)
    server = aiotls.ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.load_identity(identity)
    pair = Pair(client_context(OURS, files), server).shake_hands()
    assert pair.client.ocsp_response() == response


@pytest.mark.parametrize("kind", ["server", "client"])
def test_getpeercert_is_the_standard_librarys(kind: str, files: Files) -> None:
    answers = []
    for engine in (CONTROL, OURS):
        client = client_context(engine, files, certfile=files.client)
        pair = Pair(client, server_context(engine, files, clients=True)).shake_hands()
        side = pair.client if kind == "server" else pair.server
        answers.append((side.getpeercert(), side.getpeercert(True)))
    assert answers[0] == answers[1]


def test_the_engine_is_the_one_that_was_asked_for(files: Files) -> None:
    context = client_context(OURS, files)
    assert isinstance(context, module(OURS).SSLContext)
    assert isinstance(context, ssl.SSLContext)
