"""What each option does to a connection, one by one, beside the standard library's ssl."""

from __future__ import annotations

import os
import ssl
import warnings
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509

import aiotls.ssl
from aiotls import Identity, ServerConfig, TLSConnection
from aiotls.enums import ExtensionType, ProtocolVersion
from aiotls.wire.messages import Message, ServerHello
from tests import certificates
from tests.engine.pair import mutate
from tests.negative.test_server_hello import with_extensions

from .engines import CONTROL, OURS, Files, client_context, heed_cuts, server_context
from .test_context import Pair, attempt, write
from .test_settings import bare_client, name_hash, verify_code

BOTH = pytest.mark.parametrize("engine", [CONTROL, OURS])
TLS12 = ssl.TLSVersion.TLSv1_2
LEGACY_SERVER_CONNECT = 0x4
"""``ssl.OP_LEGACY_SERVER_CONNECT``, from Python 3.12 on."""

OPTIONS = {name: int(getattr(ssl, name)) for name in dir(ssl) if name.startswith("OP_")}
ACTS = {
    "OP_ENABLE_MIDDLEBOX_COMPAT",
    "OP_IGNORE_UNEXPECTED_EOF",
    "OP_NO_TICKET",
    "OP_NO_TLSv1_2",
    "OP_NO_TLSv1_3",
}
"""The options that change anything of what :func:`facts` looks at; the others are about what this
engine never does (OP_NO_COMPRESSION), or does whatever they say (OP_SINGLE_ECDH_USE)."""


class Taped:
    """A client and a server in memory, and what each of them sent."""

    def __init__(self, client: Any, server: Any, session: Any = None) -> None:
        self.bios = [ssl.MemoryBIO() for _ in range(4)]
        self.client = client.wrap_bio(
            self.bios[0], self.bios[1], server_hostname="localhost", session=session
        )
        self.server = server.wrap_bio(self.bios[2], self.bios[3], server_side=True)
        self.sent = {"client": b"", "server": b""}

    def carry(self) -> None:
        for side, source, sink in (("client", 1, 2), ("server", 3, 0)):
            data = self.bios[source].read()
            self.sent[side] += data
            self.bios[sink].write(data)

    def shake_hands(self) -> Taped:
        waiting = [self.client, self.server]
        for _ in range(20):
            waiting = [side for side in waiting if not attempt(side.do_handshake)]
            self.carry()
            if not waiting:
                break
        assert not waiting
        self.server.write(b"x")  # tickets go before it
        self.carry()
        assert self.client.read() == b"x"
        return self

    def sends(self, side: str, kind: int) -> bool:
        """Whether a side has sent a record of this type in the clear."""
        data, found = self.sent[side], False
        while data:
            found |= data[0] == kind
            data = data[5 + int.from_bytes(data[3:5], "big") :]
        return found


def facts(
    engines: tuple[str, str], side: str, files: Files, on: int, off: int, version: Any
) -> dict[str, Any]:
    """What can be seen of a connection when options were set or taken away on one side."""
    client, server = client_context(engines[0], files), server_context(engines[1], files)
    changed = client if side == "client" else server
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # of OP_NO_TLSv1_2
        for context in (client, server):
            heed_cuts(context).minimum_version = TLS12  # the control's may be lower
            if version is not None:
                context.maximum_version = version
        changed.options = (changed.options | on) & ~off
    assert changed.options & on == on
    assert not changed.options & off
    try:
        pair = Taped(client, server).shake_hands()
    except ssl.SSLError as error:  # here when the connection is made, there with its first step
        return {"error": (type(error).__name__, error.errno, error.library, error.reason)}
    session = pair.client.session
    found = {
        "version": (pair.client.version(), pair.server.version()),
        "compression": pair.client.compression(),
        "session id offered": pair.sent["client"][5 + 4 + 2 + 32],
        "change_cipher_spec": [pair.sends(which, 20) for which in ("client", "server")],
        "ticket": (session.has_ticket, bool(session.id), session.ticket_lifetime_hint > 0),
        "resumed": Taped(client, server, session).shake_hands().client.session_reused,
    }
    pair.bios[0].write_eof()
    try:
        found["cut"] = pair.client.read()
    except ssl.SSLError as error:
        found["cut"] = error.reason
    return found


@pytest.mark.parametrize("version", [None, TLS12], ids=["", "TLS 1.2"])
@pytest.mark.parametrize("side", ["client", "server"])
@pytest.mark.parametrize("option", sorted(OPTIONS))
def test_an_option_does_what_it_does_there(
    option: str, side: str, version: Any, files: Files
) -> None:
    bits = OPTIONS[option]
    acts = False
    usual = facts((CONTROL, CONTROL), side, files, 0, 0, version)
    for on, off in ((bits, 0), (0, bits)):
        theirs = facts((CONTROL, CONTROL), side, files, on, off, version)
        engines = (OURS, CONTROL) if side == "client" else (CONTROL, OURS)
        assert facts(engines, side, files, on, off, version) == theirs
        acts |= theirs != usual
    assert option in ACTS or not acts


def test_each_option_that_acts_is_seen_to(files: Files) -> None:
    """The facts are worth comparing: without any of these options they are others."""
    seen = set()
    for option in ACTS:
        for side in ("client", "server"):
            for version in (None, TLS12):
                usual = facts((OURS, OURS), side, files, 0, 0, version)
                for on, off in ((OPTIONS[option], 0), (0, OPTIONS[option])):
                    if facts((OURS, OURS), side, files, on, off, version) != usual:
                        seen.add(option)
    assert seen == ACTS


@BOTH
@pytest.mark.parametrize("version", [None, TLS12], ids=["", "TLS 1.2"])
def test_a_session_that_the_server_keeps_is_resumed_again(
    engine: str, version: Any, files: Files
) -> None:
    """OP_NO_TICKET: more than once, by the number that it has, or by that of the next."""
    client, server = client_context(engine, files), server_context(engine, files)
    server.options |= ssl.OP_NO_TICKET
    if version is not None:
        client.maximum_version = version
    session, pairs = None, []  # OpenSSL forgets the session of a connection that goes unclosed
    for _ in range(4):
        pairs.append(Taped(client, server, session).shake_hands())
        session = pairs[-1].client.session
    assert [pair.client.session_reused for pair in pairs] == [False, True, True, True]


@BOTH
def test_options_that_have_no_name_are_kept(engine: str, files: Files) -> None:
    """OpenSSL has more of them than the module; none makes anything weaker here."""
    client, server = client_context(engine, files), server_context(engine, files)
    for bit in range(32):
        if not 1 << bit & (ssl.OP_NO_TLSv1_2 | ssl.OP_NO_TLSv1_3 | ssl.OP_NO_TLSv1):
            if 1 << bit & (ssl.OP_NO_TLSv1_1 | ssl.OP_NO_SSLv3 | 0x02000000):
                continue  # which warn
            client.options |= 1 << bit
            assert client.options & 1 << bit
    Pair(client, server).shake_hands()


@BOTH
@pytest.mark.parametrize("allowed", [True, False])
def test_legacy_server_connect(engine: str, allowed: bool, files: Files) -> None:
    """SSL_OP_LEGACY_SERVER_CONNECT: a server of TLS 1.2 without renegotiation_info (RFC 5746)."""

    def forget(message: Message) -> Any:
        if isinstance(message, ServerHello):
            return with_extensions(message, drop=(ExtensionType.RENEGOTIATION_INFO,))
        return message

    peer = TLSConnection(
        ServerConfig(
            identity=Identity.from_files(files.server), max_version=ProtocolVersion.TLSv1_2
        )
    )
    mutate(peer, forget)
    client = client_context(engine, files)
    if allowed:
        client.options |= LEGACY_SERVER_CONNECT
    else:
        client.options &= ~LEGACY_SERVER_CONNECT
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    end = client.wrap_bio(incoming, outgoing, server_hostname="localhost")

    def shake_hands() -> bool:
        for _ in range(4):
            done = attempt(end.do_handshake)
            peer.receive_data(outgoing.read())
            incoming.write(peer.data_to_send())
            if done:
                return True
        return False

    if allowed:
        assert shake_hands()
        return
    with pytest.raises(ssl.SSLError) as caught:
        shake_hands()
    assert caught.value.reason == "UNSAFE_LEGACY_RENEGOTIATION_DISABLED"


@BOTH
@pytest.mark.parametrize("count", [0, 1, 2, 5, 16])
def test_so_many_tickets(engine: str, count: int, files: Files) -> None:
    seen = []
    client, server = client_context(engine, files), server_context(engine, files)
    client._msg_callback = lambda *message: seen.append(message[1:5])
    server.num_tickets = count
    Pair(client, server).shake_hands()
    new_session_ticket = 4
    assert [m[3] for m in seen if m[0] == "read"].count(new_session_ticket) == count


def test_too_many_tickets_are_refused_by_name() -> None:
    server = aiotls.ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    with pytest.raises(ssl.SSLError, match="num_tickets = 17"):
        server.num_tickets = 17
    assert server.num_tickets == 2


@BOTH
def test_num_tickets_is_a_servers(engine: str, files: Files) -> None:
    with pytest.raises(ValueError, match="not a server context"):
        client_context(engine, files).num_tickets = 1


# -- verification ----------------------------------------------------------------------------------


@BOTH
@pytest.mark.parametrize("first", [True, False])
def test_trusted_first(engine: str, first: bool, tmp_path: Path) -> None:
    """A root that is sent too, as one that an expired root has issued: there are two ways.

    VERIFY_X509_TRUSTED_FIRST says to try that of the root that is trusted. Here every way is tried,
    and for OpenSSL 3 the flag is among the defaults that taking it away does not reach.
    """
    old = certificates.authority("an old root", ends=certificates.NOW - certificates.DAY)
    root = certificates.authority("a young root", number=7)
    crossed = certificates.authority("a young root", number=7, issuer=old)
    client = bare_client(engine)
    client.load_verify_locations(cadata=(root.pem + old.pem).decode())
    if first:
        client.verify_flags |= ssl.VERIFY_X509_TRUSTED_FIRST
    else:
        client.verify_flags &= ~ssl.VERIFY_X509_TRUSTED_FIRST
    assert bool(client.verify_flags & ssl.VERIFY_X509_TRUSTED_FIRST) == first
    leaf = certificates.leaf("localhost", issuer=crossed, purposes=(certificates.SERVER,))
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.load_cert_chain(write(tmp_path / "leaf.pem", leaf.chain_pem))
    assert verify_code(client, server) == 0


def test_proxy_certificates_are_refused_by_name() -> None:
    client = aiotls.ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    before = client.verify_flags
    with pytest.raises(ssl.SSLError, match="VERIFY_ALLOW_PROXY_CERTS"):
        client.verify_flags |= ssl.VERIFY_ALLOW_PROXY_CERTS
    assert client.verify_flags == before


# -- directories -----------------------------------------------------------------------------------


def put(directory: Path, pem: str, mark: str = "") -> None:
    """A certificate under the name by which OpenSSL looks for it (c_rehash(1))."""
    directory.mkdir(exist_ok=True)
    data = Path(pem).read_bytes()
    subject = x509.load_pem_x509_certificate(data).subject.rfc4514_string()
    (directory / f"{name_hash(subject.removeprefix('CN=')):08x}.{mark}0").write_bytes(data)


@BOTH
def test_a_list_of_directories(engine: str, files: Files, tmp_path: Path) -> None:
    put(tmp_path / "one", files.stranger)
    put(tmp_path / "two", files.ca)
    client, server = bare_client(engine), server_context(engine, files)
    client.load_verify_locations(capath=os.pathsep.join([f"{tmp_path}/one", f"{tmp_path}/two"]))
    assert verify_code(client, server) == 0


@BOTH
def test_what_is_put_into_a_directory_later_counts(
    engine: str, files: Files, tmp_path: Path
) -> None:
    client, server = bare_client(engine), server_context(engine, files)
    client.load_verify_locations(capath=tmp_path)
    assert verify_code(client, server) == 20
    put(tmp_path, files.ca)
    os.utime(tmp_path, ns=(1, 1))  # the clock of a file system need not have ticked
    assert verify_code(client, server) == 0


@BOTH
@pytest.mark.parametrize("path", ["", b""])
def test_no_directory_is_a_mistake(engine: str, path: str | bytes) -> None:
    with pytest.raises(ssl.SSLError) as caught:
        bare_client(engine).load_verify_locations(capath=path)
    assert (caught.value.library, caught.value.reason) == ("X509", "INVALID_DIRECTORY")


@BOTH
def test_a_directory_that_is_not_there_has_nothing_in_it(
    engine: str, files: Files, tmp_path: Path
) -> None:
    client = bare_client(engine)
    client.load_verify_locations(capath=tmp_path / "missing")
    assert verify_code(client, server_context(engine, files)) == 20


# -- after a failure -------------------------------------------------------------------------------


def _wrong_authority(client: Any, server: Any, files: Files) -> None:
    other = server_context(OURS, files, certfile=files.expired)
    assert verify_code(client, other) == 10


def _wrong_ciphers(client: Any, server: Any, files: Files) -> None:
    before = client.get_ciphers()
    with pytest.raises(ssl.SSLError, match="No cipher can be selected"):
        client.set_ciphers("NOTHING-OF-THE-KIND")
    assert client.get_ciphers() == before


def _wrong_file(client: Any, server: Any, files: Files) -> None:
    before = client.cert_store_stats()
    with pytest.raises(ssl.SSLError):
        client.load_verify_locations(cadata="no certificate")
    with pytest.raises(FileNotFoundError):
        client.load_verify_locations(cafile=files.ca + ".missing")
    assert client.cert_store_stats() == before


def _wrong_chain(client: Any, server: Any, files: Files) -> None:
    with pytest.raises(ssl.SSLError):
        server.load_cert_chain(files.ca)  # which has no key
    with pytest.raises(FileNotFoundError):
        server.load_cert_chain(files.server + ".missing")


def _wrong_bytes(client: Any, server: Any, files: Files) -> None:
    incoming = ssl.MemoryBIO()
    end = server.wrap_bio(incoming, ssl.MemoryBIO(), server_side=True)
    incoming.write(b"GET / HTTP/1.1\r\n\r\n")
    with pytest.raises(ssl.SSLError):
        end.do_handshake()


@pytest.mark.parametrize(
    ("engine", "fail"),
    [
        *((CONTROL, fail) for fail in (_wrong_authority, _wrong_file, _wrong_bytes)),
        # With the standard library's, half of what failed stays.
        *((OURS, fail) for fail in (_wrong_authority, _wrong_ciphers, _wrong_file, _wrong_chain)),
        (OURS, _wrong_bytes),
    ],
)
def test_a_context_after_a_failure(engine: str, fail: Any, files: Files) -> None:
    """It is as it was: the next connection comes about."""
    client, server = client_context(engine, files), server_context(engine, files)
    fail(client, server, files)
    Pair(client, server).shake_hands()
