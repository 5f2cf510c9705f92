"""Peers with the interface of Python's ssl module: the module itself, rustls and BoringSSL."""

from __future__ import annotations

import contextlib
import importlib
import importlib.util
import socket
from typing import Any, ClassVar

from aiotls.enums import NamedGroup

from .peer import (
    HOST,
    PATIENCE,
    Outcome,
    Peer,
    Server,
    Settings,
    describe,
    in_turns,
    listening_thread,
)


class SSLModule(Peer):
    """A module that can stand in for ``ssl``."""

    module: str
    passes_sessions: ClassVar[bool] = False
    """Whether the application carries a session from one connection to the next."""

    def missing(self) -> str | None:
        if importlib.util.find_spec(self.module) is None:
            return f"the package {self.module} is not installed"
        return None

    @property
    def ssl(self) -> Any:
        return importlib.import_module(self.module)

    def context(self, settings: Settings, *, server_side: bool) -> Any:
        ssl = self.ssl
        context = ssl.SSLContext(
            ssl.PROTOCOL_TLS_SERVER if server_side else ssl.PROTOCOL_TLS_CLIENT
        )
        version = ssl.TLSVersion.TLSv1_2 if settings.tls12 else ssl.TLSVersion.TLSv1_3
        context.minimum_version = context.maximum_version = version
        if settings.trust:
            context.load_verify_locations(cafile=str(settings.trust))
            context.verify_mode = ssl.CERT_REQUIRED
        if settings.credentials:
            context.load_cert_chain(str(settings.credentials.chain), str(settings.credentials.key))
        if settings.alpn:
            context.set_alpn_protocols(list(settings.alpn))
        if not settings.tickets:
            context.options |= ssl.OP_NO_TICKET
        self.restrict(context, settings)
        return context

    def restrict(self, context: Any, settings: Settings) -> None:
        """Groups and suites, as far as the module can choose them."""

    def connect(self, port: int, settings: Settings, payload: bytes = b"") -> Outcome:
        data = bytearray()
        try:
            context = self.context(settings, server_side=False)
            session: dict[str, Any] = {}
            for _ in range(2 if settings.resume else 1):
                data.clear()
                with (
                    socket.create_connection((HOST, port), PATIENCE) as plain,
                    context.wrap_socket(
                        plain, server_hostname=settings.server_name, **session
                    ) as tls,
                ):
                    for chunk in in_turns(tls.sendall, tls.recv, payload):
                        data += chunk
                    if settings.resume and self.passes_sessions:
                        session = {"session": tls.session}
                    self.close(tls)
        except (OSError, EOFError) as error:
            return Outcome(bytes(data), describe(error))
        return Outcome(bytes(data), "")

    def close(self, tls: Any) -> None:
        """Send close_notify without waiting for the other's: rtls never tells of one."""
        tls.settimeout(0)
        with contextlib.suppress(OSError):
            tls.unwrap()

    def serve(self, settings: Settings) -> contextlib.AbstractContextManager[Server]:
        context = self.context(settings, server_side=True)

        def echo(plain: socket.socket) -> None:
            with context.wrap_socket(plain, server_side=True) as tls:
                while chunk := tls.recv(1 << 16):
                    tls.sendall(chunk)
                self.close(tls)

        return listening_thread(echo)


class StandardLibrary(SSLModule):
    """Python's ssl, which can name one NIST curve and no suites of TLS 1.3."""

    name = "stdlib"
    module = "ssl"
    groups = {
        NamedGroup.SECP256R1: "prime256v1",
        NamedGroup.SECP384R1: "secp384r1",
        NamedGroup.SECP521R1: "secp521r1",
    }
    accepts = (NamedGroup.X25519, *groups)
    suites = {}
    takes_several_groups = False
    passes_sessions = True

    def restrict(self, context: Any, settings: Settings) -> None:
        for group in settings.groups:
            context.set_ecdh_curve(self.groups[group])


class Rustls(SSLModule):
    """rustls with AWS-LC, through the package rtls."""

    name = "rustls"
    module = "rtls"

    def close(self, tls: Any) -> None:
        with contextlib.suppress(OSError):
            tls.unwrap().close()  # a new socket for the same descriptor

    groups = {}
    accepts = (
        NamedGroup.X25519MLKEM768,
        NamedGroup.X25519,
        NamedGroup.SECP256R1,
        NamedGroup.SECP384R1,
    )
    suites = {}
    server_asks_for_certificates = False  # although it was told to require them


class BoringSSL(SSLModule):
    """BoringSSL, through the package utls."""

    name = "boringssl"
    module = "utls"
    passes_sessions = True
    keys = ("p256", "p384", "rsa")  # as a client it does not offer ed25519
    groups = {
        NamedGroup.X25519: "X25519",
        NamedGroup.SECP256R1: "P-256",
        NamedGroup.SECP384R1: "P-384",
        NamedGroup.X25519MLKEM768: "X25519MLKEM768",
    }
    accepts = tuple(groups)
    suites = {}

    def restrict(self, context: Any, settings: Settings) -> None:
        if settings.groups:
            context.set_ecdh_curve(":".join(self.groups[group] for group in settings.groups))
