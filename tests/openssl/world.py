"""Two sides of a connection, each on aiotls.openssl or on the system's libssl, and what is between.

A side is the same object whichever implementation it runs on; a script of calls (scripts.py) is
given to both sides and leaves a trace of all that an application could have seen.
"""

from __future__ import annotations

import functools
import hashlib
import socket
import struct
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

from cryptography.hazmat.primitives.serialization import Encoding

from aiotls import openssl as ours
from aiotls.sessions import MemoryReplayGuard
from tests import certificates

from . import libssl as theirs

Trace = list[Any]

OURS: Any = ours
THEIRS: Any = theirs


@functools.cache
def files() -> Path:
    """A directory with an authority, a server's and a client's certificate, and their keys."""
    directory = Path(tempfile.mkdtemp(prefix="aiotls-openssl-"))
    for name, issued in (
        ("server", certificates.leaf("localhost")),
        ("client", certificates.leaf("client", number=1)),
        ("other", certificates.leaf("other.example", number=2)),
    ):
        (directory / f"{name}.pem").write_bytes(issued.pem)
        (directory / f"{name}.key").write_bytes(issued.key_pem)
    (directory / "root.pem").write_bytes(certificates.authority().pem)
    return directory


@dataclass(frozen=True)
class Setup:
    """What both contexts of a script are set to."""

    tls12: bool = False
    retry: bool = False
    """Whether the client's first key share is not the server's: HelloRetryRequest."""

    tickets: int = 2
    client_auth: str = ""
    """``""``, ``optional`` or ``required``."""

    client_certificate: bool = False
    server_certificate: bool = True
    verify: str = ""
    """``""``: not at all; ``root``: by the right authority; ``none``: by no authority."""

    host: str = ""
    """The name that the client verifies."""

    alpn: str = ""
    """``""``, ``agree``, ``noack``, ``refuse`` or ``none`` (the server has no callback)."""

    callback: str = ""
    """Which callback asks to be called again, or fails: see :func:`callbacks`."""

    times: int = 0
    """How often it asks to be called again."""

    partial: bool = False
    moving: bool = False
    auto_retry: bool = True
    quiet: bool = False
    info: bool = False
    """Whether the info callback is compared."""

    disjoint: str = ""
    """What the two sides have not in common: ``version``, ``suite``, ``group``."""

    ignore_eof: bool = False
    resume: bool = False
    """Whether the client resumes the session of a connection that was made before."""

    early: int = 0
    """How many bytes of early data the server allows."""

    later: bool = False
    """Whether the server may ask for the client's certificate after the handshake."""

    messages: bool = False
    """Whether the message callback is compared."""


class Notes:
    """What the callbacks of one context have seen and are to do in this script."""

    def __init__(self) -> None:
        self.left = 0
        self.seen: Trace = []

    def reset(self, times: int) -> None:
        self.left = times
        self.seen = []


@functools.cache
def context(api: ModuleType, server: bool, setup: Setup) -> tuple[Any, Notes]:
    """A context for one side, made once."""
    notes = Notes()
    directory = str(files())
    ctx: Any = api.SSL_CTX_new(api.TLS_method())
    version = 0x0303 if setup.tls12 else 0x0304
    lowest = highest = version
    if setup.disjoint == "version":
        lowest = highest = 0x0303 if server else 0x0304
    assert api.SSL_CTX_set_min_proto_version(ctx, lowest) == 1
    assert api.SSL_CTX_set_max_proto_version(ctx, highest) == 1
    suite = "TLS_AES_128_GCM_SHA256"
    if setup.disjoint == "suite" and server:
        suite = "TLS_AES_256_GCM_SHA384"
    assert api.SSL_CTX_set_ciphersuites(ctx, suite) == 1
    suite12 = "ECDHE-ECDSA-AES128-GCM-SHA256"
    if setup.disjoint == "suite" and server:
        suite12 = "ECDHE-ECDSA-AES256-GCM-SHA384"
    assert api.SSL_CTX_set_cipher_list(ctx, suite12) == 1
    groups = "X25519:P-256"
    if setup.retry:
        groups = "P-256" if server else "X25519:P-256"
    if setup.disjoint == "group":
        groups = "P-256" if server else "X25519"
    if setup.disjoint == "group" and setup.tls12:
        groups = "P-256:P-384" if server else "P-256:X25519"
    assert api.SSL_CTX_set1_groups_list(ctx, groups) == 1
    assert api.SSL_CTX_set1_sigalgs_list(ctx, "ECDSA+SHA256") == 1
    mode = 0
    mode |= 1 if setup.partial else 0
    mode |= 2 if setup.moving else 0
    if mode:
        api.SSL_CTX_set_mode(ctx, mode)
    if not setup.auto_retry:
        api.SSL_CTX_clear_mode(ctx, 4)
    if setup.quiet:
        api.SSL_CTX_set_quiet_shutdown(ctx, 1)
    if setup.ignore_eof:
        api.SSL_CTX_set_options(ctx, 1 << 7)
    name = "server" if server else "client"
    if (setup.server_certificate if server else setup.client_certificate) and (
        setup.callback not in ("cert", "client-cert") or server != (setup.callback == "cert")
    ):
        use(api, ctx, name)
    if server:
        assert api.SSL_CTX_set_num_tickets(ctx, setup.tickets) == 1
        api.SSL_CTX_set_session_id_context(ctx, b"test", 4)
        if setup.client_auth:
            assert api.SSL_CTX_load_verify_locations(ctx, directory + "/root.pem", None) == 1
            required = 2 if setup.client_auth == "required" else 0
            api.SSL_CTX_set_verify(ctx, 1 | required | (8 if setup.later else 0), None)
    elif setup.verify:
        if setup.verify == "root":
            assert api.SSL_CTX_load_verify_locations(ctx, directory + "/root.pem", None) == 1
        api.SSL_CTX_set_verify(ctx, 1, None)
    if setup.later and not server:
        api.SSL_CTX_set_post_handshake_auth(ctx, 1)
    if setup.alpn and not server:
        assert api.SSL_CTX_set_alpn_protos(ctx, b"\x02h2\x08http/1.1", 12) == 0
    if setup.early and server:
        assert api.SSL_CTX_set_max_early_data(ctx, setup.early) == 1
        if api is ours:  # a guard takes nothing in its first seconds: this one is older
            beginning = iter([0.0])
            ctx.replay_guard = MemoryReplayGuard(clock=lambda: next(beginning, time.time()))
    callbacks(api, ctx, server, setup, notes)
    api.ERR_clear_error()
    return ctx, notes


def use(api: Any, holder: Any, name: str) -> None:
    """A certificate and its key, on a context."""
    directory = str(files())
    assert api.SSL_CTX_use_certificate_chain_file(holder, f"{directory}/{name}.pem") == 1
    assert api.SSL_CTX_use_PrivateKey_file(holder, f"{directory}/{name}.key", 1) == 1


def callbacks(api: Any, ctx: Any, server: bool, setup: Setup, notes: Notes) -> None:
    """The callbacks that the setup asks for."""

    def again(answer: Any, retry: Any) -> Any:
        if notes.left > 0:
            notes.left -= 1
            return retry
        return answer

    if setup.info:

        def info(ssl: Any, where: int, ret: int) -> None:
            notes.seen.append((where, ret, api.SSL_state_string(ssl), api.SSL_in_init(ssl)))

        api.SSL_CTX_set_info_callback(ctx, info)
    if setup.messages:

        def message(
            written: int, version: int, kind: int, data: bytes, size: int, ssl: Any, arg: Any
        ) -> None:
            # Of records the headers are left out: how many there are is compared elsewhere.
            if kind < 256:
                first = data[:2] if kind == 21 else data[:1]
                notes.seen.append(("message", written, version, kind, bytes(first)))

        api.SSL_CTX_set_msg_callback(ctx, message)
    if server and setup.alpn in ("agree", "noack", "refuse"):
        code = {"agree": 0, "noack": 3, "refuse": 2}[setup.alpn]

        def select(ssl: Any, data: bytes, arg: Any) -> Any:
            notes.seen.append(("alpn", data))
            return (code, b"http/1.1") if code == 0 else code

        api.SSL_CTX_set_alpn_select_cb(ctx, select, None)
    kind = setup.callback
    if kind in ("cert", "cert-fails") and server:

        def certificate(ssl: Any, arg: Any) -> int:
            notes.seen.append(("cert", arg))
            answer = again(0 if kind == "cert-fails" else 1, -1)
            if answer == 1:
                use_on_connection(api, ssl, "server")
            return int(answer)

        api.SSL_CTX_set_cert_cb(ctx, certificate, "argument")
    elif kind in ("client-cert", "client-cert-fails") and not server:

        def client_certificate(ssl: Any, arg: Any) -> int:
            notes.seen.append(("client-cert", arg))
            answer = again(0 if kind == "client-cert-fails" else 1, -1)
            if answer == 1:
                use_on_connection(api, ssl, "client")
            return int(answer)

        api.SSL_CTX_set_cert_cb(ctx, client_certificate, "argument")
    elif kind in ("hello", "hello-fails") and server:

        def hello(ssl: Any, alert: int, arg: Any) -> Any:
            notes.seen.append(("hello", alert, arg))
            return again((0, 40) if kind == "hello-fails" else 1, -1)

        api.SSL_CTX_set_client_hello_cb(ctx, hello, "argument")
    elif kind in ("name", "name-fails") and server:

        def name(ssl: Any, alert: int, arg: Any) -> Any:
            notes.seen.append(("name", alert, api.SSL_get_servername(ssl, 0)))
            return 2 if kind == "name-fails" else 0

        api.SSL_CTX_set_tlsext_servername_callback(ctx, name)
    elif kind in ("verify", "verify-fails") and not server:
        index = api.SSL_get_ex_data_X509_STORE_CTX_idx()

        def verify(store: Any, arg: Any) -> int:
            notes.seen.append(("verify", arg))
            if notes.left > 0:
                notes.left -= 1
                ssl = api.X509_STORE_CTX_get_ex_data(store, index)
                return int(api.SSL_set_retry_verify(ssl))
            if kind == "verify-fails":
                api.X509_STORE_CTX_set_error(store, 50)
                return 0
            return 1

        api.SSL_CTX_set_cert_verify_callback(ctx, verify, "argument")
    elif kind in ("ask", "ask-refuses", "ask-allows"):
        mode = (1 if setup.verify else 0) if not server else (1 if setup.client_auth else 0)
        if mode and server and setup.client_auth == "required":
            mode = 3

        def ask(ok: int, store: Any) -> int:
            error = api.X509_STORE_CTX_get_error(store)
            depth = api.X509_STORE_CTX_get_error_depth(store)
            notes.seen.append(("ask", ok, error, depth))
            return {"ask": ok, "ask-refuses": 0, "ask-allows": 1}[kind]

        api.SSL_CTX_set_verify(ctx, mode, ask)


def use_on_connection(api: Any, ssl: Any, name: str) -> None:
    """A certificate and its key, on a connection."""
    directory = str(files())
    assert api.SSL_use_certificate_chain_file(ssl, f"{directory}/{name}.pem") == 1
    assert api.SSL_use_PrivateKey_file(ssl, f"{directory}/{name}.key", 1) == 1


# -- one side --------------------------------------------------------------------------------------


class Side:
    """One end of a connection."""

    def __init__(self, api: Any, server: bool, setup: Setup, session: Any = None) -> None:
        self.api = api
        self.server = server
        self.setup = setup
        self.ctx, self.notes = context(api, server, setup)
        self.notes.reset(setup.times)
        self.ssl = api.SSL_new(self.ctx)
        self.stale = False
        self.unfinished = False
        """Whether the last write has to be repeated."""
        self.last_write: tuple[bytes, int] | None = None
        api.ERR_clear_error()
        if not server and setup.host:
            assert api.SSL_set1_host(self.ssl, setup.host) == 1
        if not server and session is not None:
            assert api.SSL_set_session(self.ssl, session) == 1

    def errors(self) -> list[tuple[int, int]]:
        """The queue, emptied: library and reason of each."""
        found = []
        while code := self.api.ERR_get_error():
            found.append((ours.ERR_GET_LIB(code), ours.ERR_GET_REASON(code)))
        return found

    def observe(self, ret: Any) -> tuple[Any, ...]:
        """All that an application can see after a call."""
        api, ssl = self.api, self.ssl
        code = ret[0] if isinstance(ret, tuple) else ret
        want = api.SSL_want(ssl)
        # Without a BIO C would look through a null pointer.
        blind = (want == 3 and not api.SSL_get_rbio(ssl)) or (
            want == 2 and not api.SSL_get_wbio(ssl)
        )
        error = None if blind and not api.ERR_peek_error() else api.SSL_get_error(ssl, code)
        return (
            ret,
            error,
            want,
            api.SSL_get_shutdown(ssl),
            api.SSL_state_string(ssl),
            api.SSL_in_init(ssl),
            api.SSL_is_init_finished(ssl),
            api.SSL_in_before(ssl),
            api.SSL_pending(ssl),
            api.SSL_has_pending(ssl),
            api.SSL_get_key_update_type(ssl),
            self.errors(),
        )

    def agreed(self) -> tuple[Any, ...]:
        """What was agreed on."""
        api, ssl = self.api, self.ssl
        cipher = api.SSL_get_current_cipher(ssl)
        return (
            api.SSL_get_version(ssl),
            api.SSL_CIPHER_get_name(cipher),
            api.SSL_get0_alpn_selected(ssl),
            api.SSL_get_verify_result(ssl),
            api.SSL_session_reused(ssl),
            api.SSL_get_early_data_status(ssl),
            api.SSL_is_server(ssl),
            peer(api, ssl),
            finished(api, ssl),
        )

    def session(self) -> tuple[Any, ...] | None:
        """What can be asked of its session."""
        api = self.api
        session = api.SSL_get0_session(self.ssl)
        if not session:
            return None
        cipher = api.SSL_SESSION_get0_cipher(session)
        return (
            api.SSL_SESSION_is_resumable(session),
            api.SSL_SESSION_has_ticket(session),
            api.SSL_SESSION_get_ticket_lifetime_hint(session),
            api.SSL_SESSION_get_protocol_version(session),
            api.SSL_SESSION_get_max_early_data(session),
            api.SSL_SESSION_get0_hostname(session),
            api.SSL_SESSION_get0_alpn_selected(session),
            api.SSL_CIPHER_get_name(cipher),
        )

    def close(self) -> None:
        """Frees it, and its BIOs."""
        self.api.SSL_free(self.ssl)


def peer(api: Any, ssl: Any) -> tuple[str | None, int]:
    """The fingerprint of the peer's certificate, and how long its chain is."""
    if api is theirs:
        return fingerprint(theirs.peer_certificate_der(ssl)), theirs.peer_chain_length(ssl)
    certificate = ours.SSL_get_peer_certificate(ssl)
    chain = ours.SSL_get_peer_cert_chain(ssl)
    der = None
    if certificate is not None:
        der = certificate.public_bytes(Encoding.DER)
    return fingerprint(der), len(chain) if chain is not None else -1


def fingerprint(der: bytes | None) -> str | None:
    """A certificate in a few letters."""
    return None if der is None else hashlib.sha256(der).hexdigest()[:12]


def finished(api: Any, ssl: Any) -> tuple[int, int]:
    """The lengths of the two Finished messages."""
    buffer = bytearray(64)
    return api.SSL_get_finished(ssl, buffer, 64), api.SSL_get_peer_finished(ssl, buffer, 64)


# -- what is between -------------------------------------------------------------------------------


def first_record(data: bytes) -> int:
    """The length of the first record, its header included."""
    if len(data) < 5:
        return len(data)
    return min(len(data), 5 + int.from_bytes(data[3:5], "big"))


class Wire:
    """Moves bytes between two sides. 0 is the client's, 1 the server's output."""

    direct = False
    """Whether bytes move by themselves."""

    def __init__(self, sides: tuple[Side, Side]) -> None:
        self.sides = sides

    def waiting(self, source: int) -> bytes:
        """What has left a side and not arrived."""
        return b""

    def first(self, source: int) -> int:
        """How many bytes that have not arrived belong to the first record."""
        return first_record(self.waiting(source))

    def broken(self, source: int) -> bool:
        """Whether only a part of a record has arrived."""
        return False

    def move(self, source: int, size: int | None) -> int:
        """Lets at most *size* bytes of a side's output arrive; returns how many did."""
        return 0

    def inject(self, target: int, data: bytes) -> None:
        """Lets a side receive what nobody has sent."""

    def drain(self, target: int) -> None:
        """What has arrived at a side and was not read is lost."""
        api = self.sides[target].api
        rbio = api.SSL_get_rbio(self.sides[target].ssl)
        while rbio and api.BIO_read(rbio, bytearray(4096), 4096) > 0:
            pass

    def end(self, source: int) -> None:
        """A side sends nothing more: the other reads an EOF."""

    def close(self) -> None:
        """Frees what the sides do not."""


class Memory(Wire):
    """Memory BIOs; what was taken out of one waits here."""

    def __init__(self, sides: tuple[Side, Side]) -> None:
        super().__init__(sides)
        self.flight = [b"", b""]
        self.rests = [0, 0]
        self.rbio: list[Any] = []
        self.wbio: list[Any] = []
        for side in sides:
            api = side.api
            rbio, wbio = api.BIO_new(api.BIO_s_mem()), api.BIO_new(api.BIO_s_mem())
            api.SSL_set_bio(side.ssl, rbio, wbio)
            for bio in (rbio, wbio):
                api.BIO_up_ref(bio)  # a script may take them away from the connection
            self.rbio.append(rbio)
            self.wbio.append(wbio)

    def waiting(self, source: int) -> bytes:
        api, bio = self.sides[source].api, self.wbio[source]
        size = api.BIO_pending(bio)
        if size > 0:
            buffer = bytearray(size)
            assert api.BIO_read(bio, buffer, size) == size
            self.flight[source] += bytes(buffer)
        return self.flight[source]

    def first(self, source: int) -> int:
        return self.rests[source] or super().first(source)

    def broken(self, source: int) -> bool:
        return self.rests[source] > 0

    def take(self, source: int, size: int | None) -> bytes:
        """At most *size* bytes of what waits, and keeps in mind where records end."""
        data = self.waiting(source)[:size]
        self.flight[source] = self.flight[source][len(data) :]
        place, rest = 0, self.rests[source]
        while place < len(data):
            step = rest or first_record(data[place:] + self.flight[source])
            rest = max(0, step - (len(data) - place))
            place += step
        self.rests[source] = rest
        return data

    def close(self) -> None:
        for side, *bios in zip(self.sides, self.rbio, self.wbio, strict=True):
            for bio in bios:
                side.api.BIO_free(bio)

    def replace(self, source: int, data: bytes) -> None:
        """Puts other bytes in place of those that wait."""
        self.flight[source] = data

    def move(self, source: int, size: int | None) -> int:
        data = self.take(source, size)
        self.inject(1 - source, data)
        return len(data)

    def inject(self, target: int, data: bytes) -> None:
        if data:
            self.sides[target].api.BIO_write(self.rbio[target], data, len(data))

    def end(self, source: int) -> None:
        target = 1 - source
        self.sides[target].api.BIO_set_mem_eof_return(self.rbio[target], 0)


class Pairs(Memory):
    """A BIO pair for each side; its other end is read and written here."""

    def __init__(self, sides: tuple[Side, Side], size: int) -> None:
        Wire.__init__(self, sides)
        self.flight = [b"", b""]
        self.rests = [0, 0]
        self.ends: list[Any] = []
        for side in sides:
            ret, inner, outer = side.api.BIO_new_bio_pair(size, size)
            assert ret == 1
            side.api.SSL_set_bio(side.ssl, inner, inner)
            self.ends.append(outer)
        self.rbio = self.wbio = self.ends
        self.late = [b"", b""]
        """What did not fit into a side's BIO."""

    def broken(self, source: int) -> bool:
        return super().broken(source) or bool(self.late[1 - source])

    def move(self, source: int, size: int | None) -> int:
        target = 1 - source
        data = self.take(source, size)
        self.late[target] += data
        api = self.sides[target].api
        moved = 0
        if self.late[target]:
            moved = max(
                0, api.BIO_write(self.ends[target], self.late[target], len(self.late[target]))
            )
            self.late[target] = self.late[target][moved:]
        return moved or len(data)

    def inject(self, target: int, data: bytes) -> None:
        self.late[target] += data
        self.move(1 - target, 0)

    def end(self, source: int) -> None:
        self.sides[1 - source].api.BIO_shutdown_wr(self.ends[1 - source])

    def close(self) -> None:
        for side, bio in zip(self.sides, self.ends, strict=True):
            side.api.BIO_free(bio)


class Sockets(Wire):
    """Two non-blocking sockets, joined."""

    direct = True
    blocks = False

    def __init__(self, sides: tuple[Side, Side]) -> None:
        super().__init__(sides)
        self.sockets = socket.socketpair()
        for side, sock in zip(sides, self.sockets, strict=True):
            sock.setblocking(self.blocks)
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 1 << 18)
            assert side.api.SSL_set_fd(side.ssl, sock.fileno()) == 1

    def inject(self, target: int, data: bytes) -> None:
        self.sockets[1 - target].send(data)

    def end(self, source: int) -> None:
        self.sockets[source].shutdown(socket.SHUT_WR)

    def reset(self, source: int) -> None:
        """A side is gone at once; the descriptor stays, so that its number is not used again."""
        self.sockets[source].setsockopt(
            socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0)
        )
        self.sockets[source].shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        for sock in self.sockets:
            sock.close()


class BlockingSockets(Sockets):
    """Two blocking sockets, joined: each side is called in a thread of its own."""

    blocks = True
