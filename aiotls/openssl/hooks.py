"""The application's callbacks, as the hooks that the engine awaits.

OpenSSL's callbacks are functions that return a code, and some may ask to be called again; here
they may be coroutines as well. Either way the call that led to them returns -1 in the meantime.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from ..config import (
    CertificateQuery,
    ClientAuth,
    ClientConfig,
    ClientHelloInfo,
    Config,
    ServerConfig,
)
from ..enums import Alert, ExtensionType, NamedGroup, ProtocolVersion
from ..errors import ProtocolError, TLSError
from ..handshake.psk import MAX_IDENTITIES
from ..handshake.selection import choose_group, choose_suite
from ..identity import Identity
from ..wire import extensions as ext
from .ciphers import in_order_of
from .constants import (
    SSL_ASYNC_PAUSED,
    SSL_CLIENT_HELLO_CB,
    SSL_CLIENT_HELLO_RETRY,
    SSL_CLIENT_HELLO_SUCCESS,
    SSL_OP_CIPHER_SERVER_PREFERENCE,
    SSL_OP_NO_TICKET,
    SSL_RETRY_VERIFY,
    SSL_SESS_CACHE_CLIENT,
    SSL_SESS_CACHE_NO_INTERNAL_STORE,
    SSL_SESS_CACHE_SERVER,
    SSL_TLSEXT_ERR_ALERT_FATAL,
    SSL_TLSEXT_ERR_NOACK,
    SSL_TLSEXT_ERR_OK,
    SSL_VERIFY_PEER,
    SSL_VERIFY_POST_HANDSHAKE,
    SSL_X509_LOOKUP,
    TLS1_3_VERSION,
)
from .context import report
from .sessions import SSL_SESSION
from .settings import attach
from .states import Early
from .suspension import pause
from .tickets import Store, Tickets, anti_replay, keeps_state
from .verification import X509_STORE_CTX, Judge

if TYPE_CHECKING:
    from ..handshake.established import Established
    from .connection import SSL


class Hooks:
    """What one connection asks its application, and what it has learnt of the peer meanwhile."""

    def __init__(self, ssl: SSL) -> None:
        self._ssl = ssl
        self.reset()

    def reset(self) -> None:
        """Forgets the last handshake."""
        self.kind = SSL_ASYNC_PAUSED
        """What SSL_want() says while a callback is being awaited."""
        self.last_read: int | None = None
        self.hello: ClientHelloInfo | None = None
        """On a server: what the client asks for."""
        self.retry_verify = False
        self.asked_in_vain = False
        """On a server: whether the client was asked for a certificate and has sent none."""
        self.protocol: bytes | None = None
        """On a server: the application protocol that the application has chosen."""
        self.tickets = Tickets(self._ssl)
        self.store = Store(self._ssl)
        self._fresh: SSL_SESSION | None = None
        """On a server: the session that the client was given last."""

    @property
    def server_name(self) -> str | None:
        """The name for the engine to ask the server for."""
        ssl = self._ssl
        if ssl.server:
            return None
        hosts = ssl.settings.hosts if ssl.settings.native is not None else ()
        return ssl.settings.host_name or (hosts[0] if hosts else None)

    # -- the configuration of this connection --------------------------------------------------

    def configure(self) -> Config:
        """The connection's configuration; raises UsageError where there can be none."""
        ssl = self._ssl
        native = ssl.settings.native
        if native is not None:
            return self._native(native)
        common: dict[str, Any] = {"trust": Judge(ssl), "observer": ssl, "key_log": self._key_log()}
        if not ssl.server:
            return attach(
                ssl.settings.client,
                session_cache=ssl.slot(),
                session_tickets=not ssl.settings.options & SSL_OP_NO_TICKET,
                select_identity=self._select_identity,
                **common,
            )
        return attach(
            ssl.settings.server,
            select=self._select,
            **self._tickets(TLS1_3_VERSION, True),
            **common,
        )

    def _native(self, config: Config) -> Config:
        """The application's own configuration: its hooks suspend with the WANT that fits them."""
        changes: dict[str, Any] = {"observer": self._ssl}
        if config.verify is not None:
            changes["verify"] = self._kind_of(SSL_RETRY_VERIFY, config.verify)
        if isinstance(config, ServerConfig):
            if config.select is not None:
                changes["select"] = self._kind_of(SSL_CLIENT_HELLO_CB, config.select)
        elif isinstance(config, ClientConfig) and config.select_identity is not None:
            changes["select_identity"] = self._kind_of(SSL_X509_LOOKUP, config.select_identity)
        return attach(config, **changes)

    def _kind_of(self, kind: int, hook: Callable[[Any], Any]) -> Callable[[Any], Any]:
        async def ask(argument: Any) -> Any:
            with self._asking(kind):
                answer = hook(argument)
                return await answer if inspect.isawaitable(answer) else answer

        return ask

    def _key_log(self) -> Callable[[str], None] | None:
        ssl = self._ssl
        callback = ssl.ctx.keylog_callback
        if callback is None:
            return None
        return lambda line: ssl.call(callback, ssl, line, default=None)

    def _tickets(self, version: int, takes_tickets: bool) -> dict[str, Any]:
        ssl = self._ssl
        return {
            "tickets": min(ssl.settings.num_tickets, 16),
            "ticket_keys": self.tickets,
            "session_store": self.store if keeps_state(ssl, version, takes_tickets) else None,
            "ticket_lifetime": max(1, min(ssl.ctx.session_timeout, 604_800)),
            "max_early_data": max(0, min(ssl.settings.max_early_data, 1 << 20)),
            # Without a guard no early data is taken: only SSL_read_early_data() asks for it.
            "replay_guard": _GUARD if ssl.early is Early.ACCEPTING else None,
            "half_rtt": ssl.early is Early.ACCEPTING,
        }

    # -- asking --------------------------------------------------------------------------------

    @contextmanager
    def _asking(self, kind: int) -> Iterator[None]:
        old, self.kind = self.kind, kind
        try:
            yield
        finally:
            self.kind = old

    async def _ask(
        self, kind: int, callback: Callable[..., Any], *arguments: Any, default: Any
    ) -> Any:
        """What a callback answers; *default* where it raises, which is reported."""
        with self._asking(kind):
            try:
                answer = callback(*arguments)
                return await answer if inspect.isawaitable(answer) else answer
            except TLSError:
                raise
            except Exception as error:
                report(callback, error)
                return default

    # -- on a server ---------------------------------------------------------------------------

    async def _select(self, info: ClientHelloInfo) -> ServerConfig:
        """All that OpenSSL asks its application between ClientHello and ServerHello."""
        self.hello = info
        await self._ask_client_hello()
        version = self._choose_version(info)
        resumes = self._resumes(info, version)
        if version == ProtocolVersion.TLSv1_3:
            # What cannot work is found before the application is asked for more.
            config = self._choice(info, version)
            choose_suite(config, info.hello, version)
            await self._ask_server_name()
            self.protocol = await self._ask_protocol(info)
            choose_group(config, info.hello)
            if resumes is None:
                await self._ask_certificate("CERT_CB_ERROR")
        else:
            await self._ask_server_name()
            if resumes is None:
                await self._ask_certificate("CERT_CB_ERROR")
            config = self._choice(info, version)
            choose_suite(config, info.hello, version)
            if not config.identities and resumes is None:
                raise _no_certificate("NO_SHARED_CIPHER")
            self.protocol = await self._ask_protocol(info)
        config = self._choice(info, version)
        if not config.identities and resumes is None:
            raise _no_certificate("NO_SUITABLE_SIGNATURE_ALGORITHM")
        if resumes is not None:
            self._ssl.resumes(resumes)
        await self._ssl.hold()
        return config

    async def _ask_client_hello(self) -> None:
        ctx = self._ssl.ctx
        if ctx.client_hello_cb is None:
            return
        while True:
            answer = await self._ask(
                SSL_CLIENT_HELLO_CB,
                ctx.client_hello_cb,
                self._ssl,
                int(Alert.INTERNAL_ERROR),
                ctx.client_hello_arg,
                default=0,
            )
            code, alert = _code_and(answer, Alert.INTERNAL_ERROR)
            if code == SSL_CLIENT_HELLO_SUCCESS:
                return
            if code != SSL_CLIENT_HELLO_RETRY:
                raise _refusal(alert, "the client_hello callback refused")
            await pause(SSL_CLIENT_HELLO_CB)

    def _choose_version(self, info: ClientHelloInfo) -> ProtocolVersion:
        """The version; TLS 1.3 only where there is, or may yet be, a certificate for it."""
        ssl = self._ssl
        may_be = (
            ssl.settings.identities
            or ssl.settings.cert_cb is not None
            or ssl.ctx.servername_cb is not None
        )
        for version in ssl.settings.server.versions:
            if version in info.versions and (may_be or version != ProtocolVersion.TLSv1_3):
                ssl.progress.version = version
                return version
        raise ProtocolError(
            Alert.PROTOCOL_VERSION, "no common version", reason="UNSUPPORTED_PROTOCOL"
        )

    def _resumes(self, info: ClientHelloInfo, version: ProtocolVersion) -> SSL_SESSION | None:
        """The session that the client goes on with: then no certificate is needed."""
        hello = info.hello
        if version == ProtocolVersion.TLSv1_3:
            offered = hello.extensions.get(ext.PRE_SHARED_KEY)
            identities = offered.identities[:MAX_IDENTITIES] if offered is not None else ()
            shown = [identity.identity for identity in identities]
        else:
            ticket = hello.extensions.get(ext.SESSION_TICKET)
            if self._ssl.settings.options & SSL_OP_NO_TICKET:
                ticket = None
            shown = [ticket] if ticket is not None else [hello.session_id]
        stateful = keeps_state(self._ssl, version, ExtensionType.SESSION_TICKET in hello.extensions)
        for each in shown:
            session = self.store.look(each) if stateful else self._from_ticket(each)
            if session is not None:
                self._check_context()
                return session
        return None

    def _from_ticket(self, ticket: bytes) -> SSL_SESSION | None:
        opened = self.tickets.look(ticket)
        return opened.session if opened.state is not None else None

    def _check_context(self) -> None:
        """Who verifies clients and resumes sessions has to say which belong together."""
        settings = self._ssl.settings
        if settings.verify_mode & SSL_VERIFY_PEER and not settings.session_id_context:
            raise ProtocolError(
                Alert.INTERNAL_ERROR,
                "sessions are resumed, clients verified, and there is no session id context",
                reason="SESSION_ID_CONTEXT_UNINITIALIZED",
            )

    async def _ask_server_name(self) -> None:
        ctx = self._ssl.ctx
        if ctx.servername_cb is None:
            return
        alert = Alert.UNRECOGNIZED_NAME
        answer = await self._ask(
            SSL_CLIENT_HELLO_CB,
            ctx.servername_cb,
            self._ssl,
            int(alert),
            ctx.servername_arg,
            default=SSL_TLSEXT_ERR_ALERT_FATAL,
        )
        code, alert = _code_and(answer, alert)
        if code == SSL_TLSEXT_ERR_ALERT_FATAL:
            raise _refusal(alert, "the servername callback refused")

    async def _ask_protocol(self, info: ClientHelloInfo) -> bytes | None:
        ctx = self._ssl.ctx
        if ctx.alpn_select_cb is None or not info.alpn_protocols:
            return None
        offered = b"".join(bytes([len(name)]) + name for name in info.alpn_protocols)
        answer = await self._ask(
            SSL_CLIENT_HELLO_CB,
            ctx.alpn_select_cb,
            self._ssl,
            offered,
            ctx.alpn_select_arg,
            default=SSL_TLSEXT_ERR_ALERT_FATAL,
        )
        code, protocol = answer if isinstance(answer, tuple) else (answer, b"")
        if code == SSL_TLSEXT_ERR_OK:
            return bytes(protocol)
        if code == SSL_TLSEXT_ERR_NOACK:
            return None
        raise ProtocolError(
            Alert.NO_APPLICATION_PROTOCOL,
            "no common application protocol",
            reason="NO_APPLICATION_PROTOCOL",
        )

    async def _ask_certificate(self, reason: str) -> None:
        settings = self._ssl.settings
        callback = settings.cert_cb
        if callback is None:
            return
        while True:
            answer = await self._ask(
                SSL_X509_LOOKUP, callback, self._ssl, settings.cert_arg, default=0
            )
            if answer > 0:
                return
            if not answer:
                raise ProtocolError(
                    Alert.INTERNAL_ERROR, "the certificate callback failed", reason=reason
                )
            await pause(SSL_X509_LOOKUP)

    def _choice(self, info: ClientHelloInfo, version: ProtocolVersion) -> ServerConfig:
        """The configuration for this client, as far as it is settled."""
        ssl = self._ssl
        base = ssl.settings.server
        changes: dict[str, Any] = {
            "trust": Judge(ssl),
            "observer": ssl,
            "key_log": self._key_log(),
            "min_version": version,
            "max_version": version,
            "alpn_protocols": () if self.protocol is None else (self.protocol,),
            "identities": _by_scheme(ssl.identities, info.signature_schemes),
            **self._tickets(version, ExtensionType.SESSION_TICKET in info.hello.extensions),
        }
        if version == ProtocolVersion.TLSv1_3:
            if ssl.settings.verify_mode & SSL_VERIFY_POST_HANDSHAKE:
                changes["client_auth"] = ClientAuth.NONE  # not now, but perhaps later
        else:
            # Only TLS 1.3 has a number of them; a ticket that is good is not replaced.
            ticket = info.hello.extensions.get(ext.SESSION_TICKET)
            stateful = ssl.settings.options & SSL_OP_NO_TICKET
            changes["tickets"] = int(
                not stateful and (not ticket or self.tickets.look(ticket).renews)
            )
        if not ssl.settings.options & SSL_OP_CIPHER_SERVER_PREFERENCE:
            order = in_order_of(info.cipher_suites, base.cipher_suites)
            changes["cipher_suites"] = tuple(order)
            # The first of the client's shares that is known here, as OpenSSL takes it.
            changes["groups"] = _by_share(base.groups, info)
        return attach(base, **changes)

    # -- on a client ---------------------------------------------------------------------------

    async def _select_identity(self, query: CertificateQuery) -> Identity | None:
        self._ssl.peer_authorities = query.authorities
        await self._ask_certificate("CALLBACK_FAILED")
        for identity in self._ssl.identities:
            schemes = (*identity.schemes, *identity.schemes12)
            if any(scheme in query.signature_schemes for scheme in schemes):
                return identity
        return None

    # -- verification --------------------------------------------------------------------------

    async def verify(self, store: X509_STORE_CTX) -> int:
        """Whether the peer's certificate is accepted: above 0, it is."""
        ctx = self._ssl.ctx
        if ctx.cert_verify_cb is None:
            return store.verify()
        while True:
            self.retry_verify = False
            answer = await self._ask(
                SSL_RETRY_VERIFY, ctx.cert_verify_cb, store, ctx.cert_verify_arg, default=0
            )
            if answer <= 0 or not self.retry_verify or self._ssl.server:
                return int(answer)
            await pause(SSL_RETRY_VERIFY)

    # -- sessions ------------------------------------------------------------------------------

    def finished(self, established: Established) -> None:
        """The handshake is done: there is a session, though perhaps none to be resumed."""
        ssl = self._ssl
        if established.peer is not None and not ssl.peer_chain:
            ssl.peer_chain = (established.peer.certificate,)
        fresh = self._fresh
        if fresh is not None:
            ssl.session = fresh
            fresh.established = established
            if not ssl.progress.tls13:
                self._publish(fresh)
        elif ssl.session is None or ssl.server or ssl.resumed:
            kept = ssl.session.session if ssl.session is not None and not ssl.server else None
            if ssl.resumed and ssl.session_to_resume is not None and kept is None:
                kept = ssl.session_to_resume.session
            ssl.session = SSL_SESSION(kept, established)
        else:
            ssl.session.established = established
        counts = ssl.ctx.sessions.counts
        counts["accept_good" if ssl.server else "connect_good"] += 1
        counts["hits"] += ssl.resumed
        used = ssl.session_to_resume
        if used is not None and ssl.progress.tls13 and not ssl.server:
            if ssl.ctx.session_cache_mode & SSL_SESS_CACHE_CLIENT and ssl.resumed:
                ssl.ctx.remove(used)  # RFC 8446, appendix C.4: it is used once

    def keep(self, session: SSL_SESSION) -> None:
        """A session that can be resumed: the context keeps it, and the application may."""
        if self._ssl.server:
            self._fresh = session
            if not self._ssl.progress.tls13:
                return  # not before the handshake is done
        self._publish(session)

    def _publish(self, session: SSL_SESSION) -> None:
        ssl, ctx = self._ssl, self._ssl.ctx
        mode = ctx.session_cache_mode
        settings = ssl.settings
        if not session.id or not mode & (
            SSL_SESS_CACHE_SERVER if ssl.server else SSL_SESS_CACHE_CLIENT
        ):
            return
        if ssl.server and settings.verify_mode & SSL_VERIFY_PEER and not session.id_context:
            return  # it could not be resumed
        if not mode & SSL_SESS_CACHE_NO_INTERNAL_STORE and (
            not ssl.server
            or not ssl.progress.tls13
            or anti_replay(ssl)
            or ctx.remove_session_cb is not None
            or settings.options & SSL_OP_NO_TICKET
        ):
            ctx.sessions.add(session)
        if ctx.new_session_cb is not None:
            session.references += 1
            if not ssl.call(ctx.new_session_cb, ssl, session, default=0):
                session.references -= 1


class _Guard:
    """Sessions are used once where early data is taken, so that none of it comes twice."""

    def first_time(self, token: bytes, lifetime: float) -> bool:
        """True: a session that was used before is not found."""
        return True


_GUARD = _Guard()


def _code_and(answer: Any, alert: Alert) -> tuple[int, Alert]:
    """A callback's code and its alert, which it may leave out."""
    if isinstance(answer, tuple):
        code, value = answer
        return int(code), Alert(value) if value in list(Alert) else alert
    return int(answer), alert


def _no_certificate(reason: str) -> ProtocolError:
    return ProtocolError(Alert.HANDSHAKE_FAILURE, "this server has no certificate", reason=reason)


def _refusal(alert: Alert, message: str) -> ProtocolError:
    return ProtocolError(alert, message, reason="CALLBACK_FAILED")


def _by_scheme(identities: Any, schemes: tuple[int, ...]) -> tuple[Identity, ...]:
    """The identity that the client's favourite scheme fits first."""

    def place(identity: Identity) -> int:
        able = {*identity.schemes, *identity.schemes12}
        return next((n for n, scheme in enumerate(schemes) if scheme in able), len(schemes))

    return tuple(sorted(identities, key=place))


def _by_share(groups: Any, info: ClientHelloInfo) -> tuple[NamedGroup, ...]:
    shares = [entry.group for entry in info.hello.extensions.get(ext.KEY_SHARE) or ()]
    return tuple(sorted(groups, key=lambda group: group not in shares))
