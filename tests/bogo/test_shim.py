"""The shim held to its contract by a small driver, where no runner is at hand.

The driver does what the runner does: it listens, starts the shim, takes its connection, and
plays the other side of TLS, with aiotls itself or with the standard library.
"""

from __future__ import annotations

import contextlib
import datetime
import os
import pathlib
import socket
import ssl
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from aiotls.config import ClientConfig, ServerConfig
from aiotls.connection import TLSConnection
from aiotls.enums import NamedGroup
from aiotls.errors import AlertReceived, TLSError
from aiotls.identity import Identity
from tests.bogo import flags, worker

HERE = pathlib.Path(__file__).parent
SHIM_ID = 0x1122334455667788

pytestmark = pytest.mark.skipif(not socket.has_ipv6, reason="the runner's cases use ::1")


@dataclass
class Outcome:
    status: int
    stderr: str


@dataclass
class Material:
    """A certificate of its own authority, in files as the runner gives them."""

    certificate: pathlib.Path
    key: pathlib.Path
    root: pathlib.Path

    @property
    def identity(self) -> Identity:
        return Identity.from_files(self.certificate, self.key)

    @property
    def credential(self) -> list[str]:
        return ["-cert-file", str(self.certificate), "-key-file", str(self.key)]

    @property
    def trust(self) -> list[str]:
        return ["-trust-cert", str(self.root)]


def issue(
    name: str,
    key: ec.EllipticCurvePrivateKey,
    issuer: tuple[x509.Certificate, ec.EllipticCurvePrivateKey] | None,
) -> x509.Certificate:
    subject = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name)])
    now = datetime.datetime.now(datetime.UTC)
    signer = issuer[1] if issuer is not None else key
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer[0].subject if issuer is not None else subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(x509.BasicConstraints(issuer is None, None), critical=True)
        .add_extension(
            x509.AuthorityKeyIdentifier.from_issuer_public_key(signer.public_key()), critical=False
        )
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .add_extension(
            x509.KeyUsage(
                True, False, False, False, False, issuer is None, issuer is None, False, False
            ),
            critical=True,
        )
    )
    if issuer is not None:
        builder = builder.add_extension(
            x509.SubjectAlternativeName([x509.DNSName(name)]), critical=False
        )
    return builder.sign(signer, hashes.SHA256())


@pytest.fixture(scope="session")
def material(tmp_path_factory: pytest.TempPathFactory) -> Material:
    folder = tmp_path_factory.mktemp("material")
    root_key, key = (ec.generate_private_key(ec.SECP256R1()) for _ in range(2))
    root = issue("the root", root_key, None)
    leaf = issue("test", key, (root, root_key))
    pem = serialization.Encoding.PEM
    (folder / "root.pem").write_bytes(root.public_bytes(pem))
    (folder / "leaf.pem").write_bytes(leaf.public_bytes(pem))
    (folder / "key.pem").write_bytes(
        key.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    return Material(folder / "leaf.pem", folder / "key.pem", folder / "root.pem")


@pytest.fixture(scope="session")
def environment() -> Iterator[dict[str, str]]:
    """The environment of a shim that has a worker behind it."""
    # Unix socket paths are short, and pytest's are not.
    with tempfile.TemporaryDirectory(prefix="bogo-") as folder:
        path = pathlib.Path(folder, "worker")
        with worker.running(path):
            yield {**os.environ, "AIOTLS_BOGO_WORKER": str(path)}


class Driver:
    """One case: a shim on one side, and the test on the other."""

    def __init__(self, environment: dict[str, str]) -> None:
        self._environment = environment
        self._listener = socket.create_server(("::1", 0), family=socket.AF_INET6)
        self._listener.settimeout(20)
        self._process: subprocess.Popen[str] | None = None
        self._streams: list[socket.socket] = []

    def start(self, *arguments: str) -> None:
        command = [sys.executable, "-I", "-S", str(HERE / "client.py")]
        place = ["-port", str(self._listener.getsockname()[1]), "-ipv6"]
        self._process = subprocess.Popen(
            [*command, *place, "-shim-id", str(SHIM_ID), *arguments],
            env=self._environment,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
        )

    def accept(self) -> socket.socket:
        """The shim's next connection, past the number of its case."""
        connection, _ = self._listener.accept()
        self._streams.append(connection)
        connection.settimeout(20)
        number = connection.recv(8, socket.MSG_WAITALL)
        assert int.from_bytes(number, "little") == SHIM_ID
        return connection

    def outcome(self) -> Outcome:
        assert self._process is not None
        for stream in self._streams:
            stream.close()
        _, stderr = self._process.communicate(timeout=30)
        return Outcome(self._process.returncode, stderr)

    def close(self) -> None:
        for stream in (self._listener, *self._streams):
            stream.close()
        if self._process is not None:
            self._process.kill()
            self._process.communicate()


@pytest.fixture
def driver(environment: dict[str, str]) -> Iterator[Driver]:
    driver = Driver(environment)
    with contextlib.closing(driver):
        yield driver


class Endpoint:
    """aiotls as the shim's peer."""

    def __init__(self, stream: socket.socket, tls: TLSConnection) -> None:
        self.stream = stream
        self.tls = tls

    def flush(self) -> None:
        self.stream.sendall(self.tls.data_to_send())

    def shake_hands(self) -> None:
        while not self.tls.handshake_complete:
            self.flush()
            self.pull()
        self.flush()

    def pull(self) -> None:
        data = self.stream.recv(65536)
        try:
            if data:
                self.tls.receive_data(data)
            else:
                self.tls.receive_eof()
        finally:
            self.flush()

    def read(self, size: int) -> bytes:
        data = b""
        while len(data) < size:
            if not self.tls.readable:
                self.pull()
            data += self.tls.read(size - len(data))
        return data

    def write(self, data: bytes) -> None:
        self.tls.write(data)
        self.flush()

    def close(self, notify: bool = True) -> None:
        if notify:
            self.tls.send_close_notify()
            self.flush()
        self.stream.shutdown(socket.SHUT_WR)
        while self.stream.recv(65536):
            pass
        self.stream.close()


def server_of(stream: socket.socket, material: Material, **changes: object) -> Endpoint:
    config = ServerConfig(identity=material.identity, key_log=None).replace(**changes)
    return Endpoint(stream, TLSConnection(config))


def client_of(stream: socket.socket, **changes: object) -> Endpoint:
    config = ClientConfig(dangerous_disable_verification=True, key_log=None).replace(**changes)
    return Endpoint(stream, TLSConnection(config))


def drain(peer: Endpoint) -> None:
    """Takes what comes until the other side says that it was all."""
    while not peer.tls.peer_closed:
        peer.pull()


def echo(peer: Endpoint) -> None:
    peer.shake_hands()
    peer.write(b"\x42" * 1000)
    assert peer.read(1000) == b"\xbd" * 1000
    peer.close()


@pytest.mark.parametrize("more", [[], ["-async"], ["-implicit-handshake"]], ids=" ".join)
def test_client_echoes_and_succeeds(driver: Driver, material: Material, more: list[str]) -> None:
    driver.start(*material.trust, *more)
    echo(server_of(driver.accept(), material))
    assert driver.outcome() == Outcome(0, "")


@pytest.mark.parametrize("more", [[], ["-async"], ["-implicit-handshake"]], ids=" ".join)
def test_server_echoes_and_succeeds(driver: Driver, material: Material, more: list[str]) -> None:
    driver.start("-server", *material.credential, *more)
    echo(client_of(driver.accept()))
    assert driver.outcome() == Outcome(0, "")


def test_client_talks_to_the_standard_library(driver: Driver, material: Material) -> None:
    driver.start(*material.trust, "-shim-writes-first", "-check-close-notify")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(material.certificate, material.key)
    with context.wrap_socket(driver.accept(), server_side=True) as stream:
        assert stream.recv(5) == b"hello"
        stream.sendall(b"\0\1\2")
        assert stream.recv(3) == b"\xff\xfe\xfd"
        stream.unwrap().close()
    assert driver.outcome() == Outcome(0, "")


def test_resumes_in_the_same_call(driver: Driver, material: Material) -> None:
    driver.start(*material.trust, "-resume-count", "1")
    config = ServerConfig(identity=material.identity, key_log=None)
    for _ in range(2):
        echo(Endpoint(driver.accept(), TLSConnection(config)))
    assert driver.outcome() == Outcome(0, "")


def test_export_comes_before_the_echo(driver: Driver, material: Material) -> None:
    driver.start(
        "-server", *material.credential, "-export-keying-material", "40",
        "-export-label", "some label", "-export-context", "there", "-use-export-context",
    )  # fmt: skip
    peer = client_of(driver.accept())
    peer.shake_hands()
    assert peer.read(40) == peer.tls.export_keying_material("some label", 40, b"there")
    peer.close()
    assert driver.outcome() == Outcome(0, "")


def test_key_update_after_each_read(driver: Driver, material: Material) -> None:
    driver.start(*material.trust, "-key-update")
    echo(server_of(driver.accept(), material))
    assert driver.outcome() == Outcome(0, "")


def test_shuts_down_first(driver: Driver, material: Material) -> None:
    driver.start(*material.trust, "-shim-shuts-down", "-check-close-notify")
    peer = server_of(driver.accept(), material)
    peer.shake_hands()
    drain(peer)
    peer.close()
    assert driver.outcome() == Outcome(0, "")


def test_own_alert_is_sent(driver: Driver, material: Material) -> None:
    driver.start("-server", *material.credential, "-send-alert")
    peer = client_of(driver.accept())
    peer.shake_hands()
    with pytest.raises(AlertReceived, match="decompression_failure"):
        drain(peer)
    peer.stream.close()
    assert driver.outcome() == Outcome(0, "")


MESSAGES = """write hs 1
read hs 2
write ccs
read hs 8
read hs 11
read hs 15
read hs 20
write hs 20
read hs 4
read hs 4
"""
MET = [
    ("-expect-version", "772"),
    ("-expect-curve-id", str(int(NamedGroup.X25519))),
    ("-expect-no-hrr",),
    ("-expect-server-name", "example.com"),
    ("-expect-alpn", "foo"),
    ("-verify-fail", "-expect-verify-result"),  # without -verify-peer, it does not matter
    ("-peek-then-read",),
    ("-expect-msg-callback", MESSAGES),
]
UNMET = [
    ("-expect-msg-callback", "write hs 1\nread hs 2\n"),
    ("-expect-certificate-types", "AQ=="),
    ("-expect-version", "771"),
    ("-expect-cipher", "1"),
    ("-expect-curve-id", str(int(NamedGroup.SECP256R1))),
    ("-expect-hrr",),
    ("-expect-peer-signature-algorithm", "1"),
    ("-expect-alpn", "bar"),
    ("-expect-no-peer-cert",),
    ("-expect-no-session",),
    ("-expect-ticket-supports-early-data",),
    ("-handshake-never-done",),
]


@pytest.mark.parametrize("flag", MET, ids=" ".join)
def test_expectation_met(driver: Driver, material: Material, flag: tuple[str, ...]) -> None:
    more = ["-curves", "29", "-advertise-alpn", "\3foo", "-host-name", "example.com"]
    driver.start(*material.trust, *more, "-expect-alpn", "foo", *flag)
    echo(server_of(driver.accept(), material, alpn_protocols=["foo"]))
    assert driver.outcome() == Outcome(0, "")


@pytest.mark.parametrize("flag", UNMET, ids=" ".join)
def test_expectation_not_met_is_exit_90(
    driver: Driver, material: Material, flag: tuple[str, ...]
) -> None:
    driver.start(*material.trust, "-curves", "29", *flag)
    with contextlib.suppress(OSError):
        echo(server_of(driver.accept(), material))
    assert driver.outcome().status == 90


def test_unexpected_session_miss_is_exit_90(driver: Driver, material: Material) -> None:
    driver.start(*material.trust, "-resume-count", "1")
    echo(server_of(driver.accept(), material))
    with contextlib.suppress(OSError):
        echo(server_of(driver.accept(), material))  # its ticket keys are others
    assert driver.outcome().status == 90


def test_missing_close_notify_is_an_error_where_it_is_checked(
    driver: Driver, material: Material
) -> None:
    driver.start(*material.trust, "-check-close-notify")
    peer = server_of(driver.accept(), material)
    peer.shake_hands()
    peer.close(notify=False)
    outcome = driver.outcome()
    assert (outcome.status, "UNEXPECTED_EOF" in outcome.stderr) == (1, True)


def test_protocol_error_is_exit_1_with_its_reason_and_alert(
    driver: Driver, material: Material
) -> None:
    driver.start(*material.trust, "-curves", "23")
    peer = server_of(driver.accept(), material, groups=[NamedGroup.X25519])
    with pytest.raises(TLSError):
        peer.shake_hands()
    peer.close(notify=False)
    outcome = driver.outcome()
    assert outcome.status == 1
    assert outcome.stderr.startswith("AlertReceived :ALERT_HANDSHAKE_FAILURE: ")


def test_garbage_is_exit_1(driver: Driver, material: Material) -> None:
    driver.start("-server", *material.credential)
    stream = driver.accept()
    stream.sendall(b"GET / HTTP/1.0\n")
    assert stream.recv(100)[0] == 21  # an alert
    stream.close()
    outcome = driver.outcome()
    assert (outcome.status, ":HTTP_REQUEST:" in outcome.stderr) == (1, True)


@pytest.mark.parametrize("more", [[], ["-async"]], ids=" ".join)
def test_refusal_by_the_application(driver: Driver, material: Material, more: list[str]) -> None:
    driver.start(*material.trust, "-verify-peer", "-verify-fail", *more)
    peer = server_of(driver.accept(), material)
    with pytest.raises(AlertReceived, match="handshake_failure"):
        peer.shake_hands()
    peer.stream.close()
    outcome = driver.outcome()
    assert (outcome.status, ":CERTIFICATE_VERIFY_FAILED:" in outcome.stderr) == (1, True)


@pytest.mark.parametrize(
    "arguments",
    [["-no-such-flag"], ["-curves", "21"], ["-max-version", "770"], ["-cipher", "3DES"]],
    ids=" ".join,
)
def test_what_there_is_not_is_exit_89(driver: Driver, arguments: list[str]) -> None:
    driver.start(*arguments)
    assert driver.outcome().status == 89


def test_anything_else_is_exit_90(driver: Driver) -> None:
    driver.start("-server", "-cert-file", "/no/such/file", "-key-file", "/no/such/file")
    assert driver.outcome().status == 90


def test_works_without_a_worker(driver: Driver, material: Material) -> None:
    driver._environment = {**driver._environment}
    del driver._environment["AIOTLS_BOGO_WORKER"]
    driver.start(*material.trust)
    echo(server_of(driver.accept(), material))
    assert driver.outcome() == Outcome(0, "")


def test_there_is_no_handshaker() -> None:
    done = subprocess.run(
        [sys.executable, str(HERE / "client.py"), "-is-handshaker-supported"],
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout == "No\n"


def test_flags_apply_to_the_connection_they_name() -> None:
    initial, resume, retry = flags.parse(
        ["-curves", "29", "-on-initial-expect-hrr", "-on-resume-host-name", "a", "-on-retry-async"]
    )
    assert [o.curves for o in (initial, resume, retry)] == [[29]] * 3
    assert [o.expect_hrr for o in (initial, resume, retry)] == [True, False, False]
    assert [o.host_name for o in (initial, resume, retry)] == ["", "a", ""]
    assert [o.use_async for o in (initial, resume, retry)] == [False, False, True]


def test_flags_of_a_credential_speak_of_the_newest() -> None:
    options, _, _ = flags.parse(
        ["-cert-file", "a", "-new-x509-credential", "-cert-file", "b", "-signing-prefs", "1027"]
    )
    assert options.credential.cert_file == "a"
    assert [c.cert_file for c in options.credentials] == ["b"]
    assert options.credentials[0].signing_prefs == [1027]
    assert options.credential.signing_prefs == []


def test_flags_for_another_process_are_skipped() -> None:
    options, _, _ = flags.parse(["-on-shim-curves", "29", "-on-handshaker-curves", "23"])
    assert options.curves == [29]
