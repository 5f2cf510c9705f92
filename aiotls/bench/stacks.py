"""The ways of speaking TLS from asyncio, each behind the same two calls: connect and serve.

A stack that is not installed is left out. Every client verifies the server's certificate and its
name against the one root that it trusts.
"""

from __future__ import annotations

import asyncio
import importlib.util
from collections.abc import Callable
from typing import Any

from .settings import GROUPS, NAME, SUITES, Settings

Factory = Callable[[], asyncio.Protocol]

HOST = "127.0.0.1"


class Stack:
    """One way to connect and to serve; made in the process that measures it."""

    requires: tuple[str, ...] = ()
    """The modules that have to be there."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings

    def client_context(self, *, resume: bool) -> Any:
        """What the client is configured by; with *resume* it keeps sessions."""
        return None

    def server_context(self) -> Any:
        """What the server is configured by."""
        return None

    async def connect(self, factory: Factory, port: int, context: Any) -> asyncio.Transport:
        """A connection on which data may flow."""
        options = {} if context is None else {"ssl": context, "server_hostname": NAME}
        loop = asyncio.get_running_loop()
        transport, _ = await loop.create_connection(factory, HOST, port, **options)
        return transport

    async def serve(self, factory: Factory) -> int:
        """Listens; returns the port."""
        loop = asyncio.get_running_loop()
        context = self.server_context()
        self.server = await loop.create_server(factory, HOST, 0, ssl=context, backlog=4096)
        port: int = self.server.sockets[0].getsockname()[1]
        return port

    def resumed(self, transport: asyncio.Transport) -> bool:
        """Whether the connection took up a session."""
        return bool(transport.get_extra_info("ssl_object").session_reused)

    def agreed(self, transport: asyncio.Transport) -> str:
        """The cipher suite, as a check that all stacks do the same work."""
        return str(transport.get_extra_info("cipher")[0])

    def remember(self, transport: asyncio.Transport, context: Any) -> None:
        """Keeps the session of a connection that is about to be closed."""


class Plain(Stack):
    """TCP without TLS: what cannot be saved."""

    def resumed(self, transport: asyncio.Transport) -> bool:
        return True  # there was nothing to do in full

    def agreed(self, transport: asyncio.Transport) -> str:
        return "none"


class Standard(Stack):
    """Python's ssl module under the loop's own TLS."""

    def module(self) -> Any:
        """The module with the shape of the standard library's ssl."""
        import ssl

        return ssl

    def client_context(self, *, resume: bool) -> Any:
        ssl = self.module()
        kind = _resuming(ssl) if resume else ssl.SSLContext
        return self._prepare(kind(ssl.PROTOCOL_TLS_CLIENT))

    def server_context(self) -> Any:
        ssl = self.module()
        context = self._prepare(ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER))
        context.load_cert_chain(self.settings.path("chain.pem"), self.settings.path("key.pem"))
        return context

    def _prepare(self, context: Any) -> Any:
        ssl = self.module()
        version = {"1.2": ssl.TLSVersion.TLSv1_2, "1.3": ssl.TLSVersion.TLSv1_3}
        context.minimum_version = context.maximum_version = version[self.settings.version]
        context.load_verify_locations(self.settings.path("root.pem"))
        return context

    def remember(self, transport: asyncio.Transport, context: Any) -> None:
        context.session = transport.get_extra_info("ssl_object").session


def _resuming(ssl: Any) -> Any:
    """A context that hands every connection the session which the last one left."""

    class Resuming(ssl.SSLContext):  # type: ignore[misc]
        session: Any = None

        def wrap_bio(self, *args: Any, **options: Any) -> Any:
            options.setdefault("session", self.session)
            return super().wrap_bio(*args, **options)

    return Resuming


class FastNet(Standard):
    """aiofastnet: OpenSSL driven from Cython, on transports of its own."""

    requires = ("aiofastnet",)

    async def connect(self, factory: Factory, port: int, context: Any) -> asyncio.Transport:
        import aiofastnet

        loop = asyncio.get_running_loop()
        transport, _ = await aiofastnet.create_connection(
            loop, factory, HOST, port, ssl=context, server_hostname=NAME
        )
        return transport

    async def serve(self, factory: Factory) -> int:
        import aiofastnet

        loop = asyncio.get_running_loop()
        self.server = await aiofastnet.create_server(
            loop, factory, HOST, 0, ssl=self.server_context(), backlog=4096
        )
        port: int = self.server.sockets[0].getsockname()[1]
        return port

    def client_context(self, *, resume: bool) -> Any:
        if resume:  # it makes its SSL objects itself, and hands them no session
            raise NotImplementedError
        return super().client_context(resume=False)


class Rustls(Standard):
    """rtls: rustls in the shape of the standard library's ssl."""

    requires = ("rtls",)

    def module(self) -> Any:
        import rtls

        return rtls

    def _prepare(self, context: Any) -> Any:
        context.set_ciphers(":".join(SUITES[self.settings.suite]))
        return super()._prepare(context)

    def client_context(self, *, resume: bool) -> Any:
        if resume:
            raise NotImplementedError
        return super().client_context(resume=False)


class DropIn(Standard):
    """aiotls.ssl: this engine under the loop's own TLS."""

    def module(self) -> Any:
        import aiotls.ssl

        return aiotls.ssl

    def _prepare(self, context: Any) -> Any:
        context = super()._prepare(context)
        context.set_ciphers(SUITES[self.settings.suite][1])
        context.set_groups(":".join(GROUPS[self.settings.version]))
        return context


class Native(Stack):
    """aiotls itself."""

    def _common(self) -> dict[str, Any]:
        from aiotls.enums import CipherSuite, NamedGroup, ProtocolVersion

        groups = {"X25519": NamedGroup.X25519, "P-256": NamedGroup.SECP256R1}

        tls13, tls12 = SUITES[self.settings.suite]
        name = tls13 if self.settings.version == "1.3" else f"TLS_{tls12.replace('-', '_')}"
        name = name.replace("ECDSA_AES", "ECDSA_WITH_AES_").replace(
            "ECDSA_CHACHA20_POLY1305", "ECDSA_WITH_CHACHA20_POLY1305_SHA256"
        )
        version = ProtocolVersion[f"TLSv1_{self.settings.version[-1]}"]
        return {
            "min_version": version,
            "max_version": version,
            "cipher_suites": [CipherSuite[name]],
            "groups": [groups[group] for group in GROUPS[self.settings.version]],
        }

    def client_context(self, *, resume: bool) -> Any:
        import aiotls
        from aiotls.sessions import MemorySessionCache

        return aiotls.ClientConfig(
            trust=aiotls.TrustStore.from_files(cafile=self.settings.path("root.pem")),
            session_cache=MemorySessionCache(each=64) if resume else None,
            **self._common(),
        )

    def server_context(self) -> Any:
        import aiotls

        return aiotls.ServerConfig(
            identity=aiotls.Identity.from_files(
                self.settings.path("chain.pem"), self.settings.path("key.pem")
            ),
            **self._common(),
        )

    async def connect(self, factory: Factory, port: int, context: Any) -> asyncio.Transport:
        import aiotls

        transport, _ = await aiotls.create_connection(
            factory, HOST, port, ssl=context, server_hostname=NAME
        )
        return transport

    async def serve(self, factory: Factory) -> int:
        import aiotls

        self.server = await aiotls.create_server(
            factory, HOST, 0, ssl=self.server_context(), backlog=4096
        )
        port: int = self.server.sockets[0].getsockname()[1]
        return port

    def resumed(self, transport: asyncio.Transport) -> bool:
        established = transport.connection.established  # type: ignore[attr-defined]
        return established is not None and bool(established.resumed)


STACKS: dict[str, type[Stack]] = {
    "tcp": Plain,
    "ssl": Standard,
    "aiofastnet": FastNet,
    "rtls": Rustls,
    "aiotls": Native,
    "aiotls.ssl": DropIn,
}

LOOPS = ("asyncio", "uvloop")


def available(stack: str, loop: str) -> bool:
    """Whether both are installed here."""
    needed = STACKS[stack].requires + (("uvloop",) if loop == "uvloop" else ())
    return all(importlib.util.find_spec(module) is not None for module in needed)


def new_event_loop(loop: str) -> asyncio.AbstractEventLoop:
    """A fresh loop of the kind."""
    if loop == "asyncio":
        return asyncio.new_event_loop()
    import uvloop

    return uvloop.new_event_loop()
