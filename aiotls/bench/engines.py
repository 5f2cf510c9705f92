"""Client and server in one process, with memory between them: the engines alone, without I/O.

    python -m aiotls.bench.engines SETTINGS ENGINE

It answers JSON lines as the worker does.
"""

from __future__ import annotations

import contextlib
import errno
import gc
import importlib
import importlib.util
import json
import sys
import time
import warnings
from typing import Any

from .settings import NAME, Settings
from .stacks import DropIn, Native, Rustls, Stack, Standard
from .works import Work


class Engine:
    """Makes pairs of a client and a server; made in the process that measures it."""

    requires: tuple[str, ...] = ()
    stack: type[Stack]

    pace = 1.0
    """The part of each job that it does; less for what would take minutes."""

    def __init__(self, settings: Settings) -> None:
        stack = self.stack(settings)
        self.server = stack.server_context()
        self.client = stack.client_context(resume=False)
        self.resuming: Any = None
        self.made_by = stack

    def resuming_context(self) -> Any:
        """A configuration for the client that keeps sessions; always the same."""
        if self.resuming is None:
            self.resuming = self.made_by.client_context(resume=True)
        return self.resuming

    def connect(self, *, resume: bool = False, counted: bool = True) -> Any:
        """A handshake, its tickets included; returns the pair, connected.

        Raises NotImplementedError for one that is *counted* and that the engine has not got.
        """
        raise NotImplementedError

    def pass_data(self, pair: Any, data: bytes) -> int:
        """*data* through the client's engine and the server's; returns how much came out."""
        raise NotImplementedError


class Objects(Engine):
    """SSLObject over MemoryBIO, as the standard library has them."""

    stack: type[Stack] = Standard
    module = "ssl"

    def connect(self, *, resume: bool = False, counted: bool = True) -> Any:
        ssl: Any = importlib.import_module(self.module)
        to_client, to_server = ssl.MemoryBIO(), ssl.MemoryBIO()
        context = self.client
        if resume:
            context = self.resuming_context()
        client = context.wrap_bio(to_client, to_server, server_hostname=NAME)
        server = self.server.wrap_bio(to_server, to_client, server_side=True)
        waiting = [client, server]
        while waiting:
            for side in list(waiting):
                try:
                    side.do_handshake()
                except ssl.SSLWantReadError:
                    continue
                waiting.remove(side)
        with contextlib.suppress(ssl.SSLWantReadError):
            client.read(1)  # the tickets
        if resume:
            if counted and context.session is not None and not client.session_reused:
                raise RuntimeError("the session was not resumed")
            context.session = client.session
        return client, server

    def pass_data(self, pair: Any, data: bytes) -> int:
        client, server = pair
        client.write(data)
        missing = len(data)
        while missing > 0:
            missing -= len(server.read(262_144))
        return len(data)


class RustlsObjects(Objects):
    """The same of rtls."""

    requires = ("rtls",)
    stack = Rustls
    module = "rtls"


class DropInObjects(Objects):
    """The same of aiotls.ssl."""

    stack = DropIn
    module = "aiotls.ssl"


class PyOpenSSL(Engine):
    """pyOpenSSL: the OpenSSL that comes with cryptography, by cffi.

    It has no call that checks the server's name, so that its handshakes are not comparable.
    """

    requires = ("OpenSSL",)
    stack = Standard

    def __init__(self, settings: Settings) -> None:
        ssl = self.module = importlib.import_module("OpenSSL.SSL")
        self.client = ssl.Context(ssl.TLS_CLIENT_METHOD)
        self.client.load_verify_locations(settings.path("root.pem"))
        self.client.set_verify(ssl.VERIFY_PEER)
        self.server = ssl.Context(ssl.TLS_SERVER_METHOD)
        self.server.use_certificate_chain_file(settings.path("chain.pem"))
        self.server.use_privatekey_file(settings.path("key.pem"))
        version = {"1.2": ssl.TLS1_2_VERSION, "1.3": ssl.TLS1_3_VERSION}[settings.version]
        for context in (self.client, self.server):
            context.set_min_proto_version(version)
            context.set_max_proto_version(version)

    def connect(self, *, resume: bool = False, counted: bool = True) -> Any:
        if counted:
            raise NotImplementedError
        ssl = self.module
        client, server = ssl.Connection(self.client), ssl.Connection(self.server)
        client.set_tlsext_host_name(NAME.encode())
        client.set_connect_state()
        server.set_accept_state()
        for side, other in ((client, server), (server, client)) * 2:
            with contextlib.suppress(ssl.WantReadError):
                side.do_handshake()
            with contextlib.suppress(ssl.WantReadError):
                other.bio_write(side.bio_read(65_536))
        return client, server

    def pass_data(self, pair: Any, data: bytes) -> int:
        client, server = pair
        client.sendall(data)
        server.bio_write(client.bio_read(len(data) + 4096))
        missing = len(data)
        while missing > 0:
            missing -= len(server.recv(262_144))
        return len(data)


class Wire:
    """What tlslite-ng takes for a socket that does not block: a buffer, and the other end's."""

    def __init__(self) -> None:
        self.arrived = bytearray()
        self.other = self

    def join(self, other: Wire) -> Wire:
        """Makes the two ends of one wire."""
        self.other, other.other = other, self
        return self

    def send(self, data: bytes) -> int:
        """Takes everything."""
        self.other.arrived += data
        return len(data)

    def recv(self, size: int) -> bytes:
        """What there is."""
        if not self.arrived:
            raise BlockingIOError(errno.EWOULDBLOCK, "nothing has arrived")
        data = bytes(self.arrived[:size])
        del self.arrived[:size]
        return data

    sendall = send

    def close(self) -> None:
        """There is nothing to close."""


class TLSLite(Engine):
    """tlslite-ng: the other TLS in Python, ciphers included.

    It has no call that checks the server's chain, so that its handshakes are not comparable.
    """

    requires = ("tlslite", "asyncore")  # which Python 3.12 has no more
    stack = Standard
    pace = 0.003

    def __init__(self, settings: Settings) -> None:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)  # for asyncore, which is not used
            api = self.api = importlib.import_module("tlslite.api")
        chain = self.chain = api.X509CertChain()
        with open(settings.path("chain.pem")) as file:
            chain.parsePemList(file.read())
        with open(settings.path("key.pem")) as file:
            self.key = api.parsePEMKey(file.read(), private=True)
        how = self.how = api.HandshakeSettings()
        how.minVersion = how.maxVersion = {"1.2": (3, 3), "1.3": (3, 4)}[settings.version]
        how.cipherNames = [
            {"aes128": "aes128gcm", "aes256": "aes256gcm", "chacha": "chacha20-poly1305"}[
                settings.suite
            ]
        ]
        how.keyShares = ["x25519"]

    def connect(self, *, resume: bool = False, counted: bool = True) -> Any:
        if counted:
            raise NotImplementedError
        end = Wire()
        client = self.api.TLSConnection(end)
        server = self.api.TLSConnection(Wire().join(end))
        waiting = [
            client.handshakeClientCert(settings=self.how, serverName=NAME, async_=True),
            server.handshakeServerAsync(
                certChain=self.chain, privateKey=self.key, settings=self.how
            ),
        ]
        while waiting:
            waiting = [side for side in waiting if next(side, None) is not None]
        return client, server

    def pass_data(self, pair: Any, data: bytes) -> int:
        client, server = pair
        for _ in client.writeAsync(data):
            pass
        for part in server.readAsync(max=len(data), min=len(data)):
            if isinstance(part, (bytes, bytearray)):
                return len(part)
        return 0


class Ours(Engine):
    """TLSConnection."""

    stack = Native
    fresh = True
    """Whether there was no session yet."""

    def connect(self, *, resume: bool = False, counted: bool = True) -> Any:
        from ..connection import TLSConnection

        config = self.client
        if resume:
            config = self.resuming_context()
        client, server = TLSConnection(config, NAME), TLSConnection(self.server)
        while not (client.handshake_complete and server.handshake_complete):
            server.receive_data(client.data_to_send())
            client.receive_data(server.data_to_send())
        client.receive_data(server.data_to_send())
        if resume and not (client.established and client.established.resumed):
            if not self.fresh:
                raise RuntimeError("the session was not resumed")
            self.fresh = False
        return client, server

    def pass_data(self, pair: Any, data: bytes) -> int:
        client, server = pair
        client.write(data)
        server.receive_data(client.data_to_send())
        return len(server.read())


ENGINES: dict[str, type[Engine]] = {
    "ssl": Objects,
    "pyOpenSSL": PyOpenSSL,
    "tlslite-ng": TLSLite,
    "rtls": RustlsObjects,
    "aiotls": Ours,
    "aiotls.ssl": DropInObjects,
}

WORKS: tuple[Work, ...] = (
    Work("in memory: full handshake", "handshake", 200, 0, "handshake", (0.9, None, None, None)),
    Work("in memory: resumed handshake", "resume", 200, 0, "handshake", (None,) * 4),
    Work("in memory: 64 KiB", "records", 1_000, 65_536, "write", (None,) * 4),
    Work("in memory: 16 KiB", "records", 4_000, 16_384, "write", (None,) * 4),
    Work("in memory: 100 B", "records", 8_000, 100, "write", (None,) * 4),
)


def available(engine: str) -> bool:
    """Whether it is installed here."""
    return all(importlib.util.find_spec(m) is not None for m in ENGINES[engine].requires)


def work(engine: Engine, job: str, count: int, size: int) -> float:
    """CPU seconds for *count* of a job."""
    pair = engine.connect(resume=job == "resume", counted=job != "records")
    data = bytes(size)
    times = max(2, round(count * engine.pace))
    gc.collect()
    begun = time.process_time()
    if job == "records":
        for _ in range(times):
            engine.pass_data(pair, data)
    else:
        for _ in range(times):
            engine.connect(resume=job == "resume")
    return (time.process_time() - begun) * count / times


def main() -> None:
    """Answers until standard input ends."""
    _, settings, name = sys.argv
    engine = ENGINES[name](Settings.from_json(settings))
    for text in sys.stdin:
        line = json.loads(text)
        answer: dict[str, Any]
        try:
            answer = {"used": work(engine, line["job"], line["count"], line["size"])}
        except NotImplementedError:
            answer = {"unable": True}
        except Exception as error:
            answer = {"error": f"{type(error).__name__}: {error}"}
        sys.stdout.write(json.dumps(answer) + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
