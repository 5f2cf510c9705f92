"""pyOpenSSL: the newest OpenSSL, the one that the package ``cryptography`` brings along.

It checks chains, but leaves the checking of names to its users; these tests do not do it.
"""

from __future__ import annotations

import contextlib
import importlib.util
import socket
from typing import Any

from aiotls.enums import CipherSuite, NamedGroup

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


class PyOpenSSL(Peer):
    name = "pyopenssl"
    groups = {
        NamedGroup.X25519MLKEM768: "X25519MLKEM768",
        NamedGroup.SECP256R1MLKEM768: "SecP256r1MLKEM768",
        NamedGroup.SECP384R1MLKEM1024: "SecP384r1MLKEM1024",
        NamedGroup.MLKEM768: "MLKEM768",
        NamedGroup.MLKEM1024: "MLKEM1024",
        NamedGroup.X25519: "X25519",
        NamedGroup.SECP256R1: "P-256",
        NamedGroup.SECP384R1: "P-384",
        NamedGroup.SECP521R1: "P-521",
    }
    accepts = (
        NamedGroup.X25519MLKEM768,
        NamedGroup.X25519,
        NamedGroup.SECP256R1,
        NamedGroup.SECP384R1,
        NamedGroup.SECP521R1,
    )
    suites = {
        CipherSuite.TLS_AES_128_GCM_SHA256: "TLS_AES_128_GCM_SHA256",
        CipherSuite.TLS_AES_256_GCM_SHA384: "TLS_AES_256_GCM_SHA384",
        CipherSuite.TLS_CHACHA20_POLY1305_SHA256: "TLS_CHACHA20_POLY1305_SHA256",
    }
    keys = (*Peer.keys, "p521", "ed448", "mldsa44", "mldsa65", "mldsa87")
    also_accepts_keys = ("rsa-pss",)
    checks_names = False

    def missing(self) -> str | None:
        if importlib.util.find_spec("OpenSSL") is None:
            return "the package pyopenssl is not installed"
        return None

    def context(self, settings: Settings, complaints: Complaints, *, server_side: bool) -> Any:
        from OpenSSL import SSL

        context = SSL.Context(SSL.TLS_METHOD)
        version = SSL.TLS1_2_VERSION if settings.tls12 else SSL.TLS1_3_VERSION
        context.set_min_proto_version(version)
        context.set_max_proto_version(version)
        if not settings.tickets:
            context.set_options(SSL.OP_NO_TICKET)
        if server_side:
            context.set_session_id(b"echo")  # without it no session with a client's certificate
        if settings.trust:
            context.load_verify_locations(str(settings.trust))
            mode = SSL.VERIFY_PEER | SSL.VERIFY_FAIL_IF_NO_PEER_CERT
            context.set_verify(mode, complaints.take)
        if settings.credentials:
            context.use_certificate_chain_file(str(settings.credentials.chain))
            context.use_privatekey_file(str(settings.credentials.key))
        if settings.groups:
            names = ":".join(self.groups[group] for group in settings.groups)
            # pyOpenSSL has no method for what its binding can do.
            binding: Any = SSL
            if not binding._lib.SSL_CTX_set1_curves_list(context._context, names.encode()):
                raise ValueError(f"OpenSSL does not take the groups {names}")
        if settings.suites:
            suites = ":".join(self.suites[suite] for suite in settings.suites)
            context.set_tls13_ciphersuites(suites.encode())
        names_offered = [name.encode() for name in settings.alpn]
        if names_offered and server_side:

            def select_protocol(_: Any, offered: list[bytes]) -> Any:
                common = [name for name in names_offered if name in offered]
                return common[0] if common else SSL.NO_OVERLAPPING_PROTOCOLS

            context.set_alpn_select_callback(select_protocol)
        elif names_offered:
            context.set_alpn_protos(names_offered)
        return context

    def connect(self, port: int, settings: Settings, payload: bytes = b"") -> Outcome:
        from OpenSSL import SSL

        data = bytearray()
        complaints = Complaints()
        try:
            with contextlib.ExitStack() as stack:
                context = self.context(settings, complaints, server_side=False)
                session = None
                for _ in range(2 if settings.resume else 1):
                    data.clear()
                    plain = stack.enter_context(socket.create_connection((HOST, port), PATIENCE))
                    plain.settimeout(
                        None
                    )  # pyOpenSSL knows sockets that block and those that do not
                    tls = SSL.Connection(context, plain)
                    if session is not None:
                        tls.set_session(session)
                    tls.set_connect_state()
                    tls.set_tlsext_host_name(settings.server_name.encode())
                    tls.do_handshake()
                    for chunk in in_turns(tls.sendall, tls.recv, payload):
                        data += chunk
                    session = tls.get_session()
                    with contextlib.suppress(SSL.Error):
                        tls.shutdown()
        except (OSError, SSL.Error) as error:
            return Outcome(bytes(data), f"{describe(error)} {complaints}")
        return Outcome(bytes(data), "")

    def serve(self, settings: Settings) -> contextlib.AbstractContextManager[Server]:
        from OpenSSL import SSL

        context = self.context(settings, Complaints(), server_side=True)

        def echo(plain: socket.socket) -> None:
            plain.settimeout(None)
            tls = SSL.Connection(context, plain)
            tls.set_accept_state()
            tls.do_handshake()
            with contextlib.suppress(SSL.ZeroReturnError):
                while True:
                    tls.sendall(tls.recv(1 << 16))
            tls.shutdown()

        return listening_thread(echo)


class Complaints:
    """What OpenSSL has found wrong with certificates; its exceptions do not say."""

    def __init__(self) -> None:
        self._texts: list[str] = []

    def take(self, _tls: Any, _certificate: Any, error: int, _depth: int, accepted: int) -> bool:
        from OpenSSL import SSL

        if not accepted:
            binding: Any = SSL
            text = binding._ffi.string(binding._lib.X509_verify_cert_error_string(error))
            self._texts.append(text.decode())
        return bool(accepted)

    def __str__(self) -> str:
        return ", ".join(self._texts)
