"""SSL_CTX: what the connections of one kind have in common. SSL_CTX_new(3)."""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, overload

from ..config import ClientConfig, Config, ServerConfig
from ..identity import Identity
from ..sessions import TicketKeyRing
from ..trust.distinguished import issuer_of, subject_of
from .constants import SSL_SESS_CACHE_SERVER, TLS_ANY_VERSION
from .errors import ERR_R_PASSED_NULL_PARAMETER, raise_ssl
from .sessions import SSL_SESSION, SessionCache
from .settings import Settings
from .verification import X509_STORE

Callback = Callable[..., Any] | None


@dataclass(frozen=True)
class SSL_METHOD:
    """Which roles a connection may take."""

    name: str
    client: bool
    server: bool
    version: int = TLS_ANY_VERSION


_TLS = SSL_METHOD("TLS", client=True, server=True)
_CLIENT = SSL_METHOD("TLS client", client=True, server=False)
_SERVER = SSL_METHOD("TLS server", client=False, server=True)


def TLS_method() -> SSL_METHOD:
    """For either role; which one is said later."""
    return _TLS


def TLS_client_method() -> SSL_METHOD:
    """For clients only."""
    return _CLIENT


def TLS_server_method() -> SSL_METHOD:
    """For servers only."""
    return _SERVER


class SSL_CTX:
    """Settings and callbacks; each SSL takes a copy of the settings when it is made."""

    def __init__(self, method: SSL_METHOD) -> None:
        self.method = method
        self.references = 1
        self.settings = Settings()
        self.cert_store = X509_STORE()
        self.info_callback: Callback = None
        self.msg_callback: Callback = None
        self.msg_argument: Any = None
        self.keylog_callback: Callback = None
        self.client_hello_cb: Callback = None
        self.client_hello_arg: Any = None
        self.servername_cb: Callback = None
        self.servername_arg: Any = None
        self.alpn_select_cb: Callback = None
        self.alpn_select_arg: Any = None
        self.cert_verify_cb: Callback = None
        self.cert_verify_arg: Any = None
        self.password_cb: Callback = None
        self.password_arg: Any = None
        self.new_session_cb: Callback = None
        self.remove_session_cb: Callback = None
        self.get_session_cb: Callback = None
        self.generate_ticket_cb: Callback = None
        self.decrypt_ticket_cb: Callback = None
        self.ticket_arg: Any = None
        self.ticket_key_cb: Callback = None
        self.ticket_key_evp = False
        """Whether that callback is given an EVP_MAC_CTX, or an HMAC_CTX."""
        self.sessions = SessionCache()
        self.session_cache_mode = SSL_SESS_CACHE_SERVER
        self.session_timeout = 7200
        self.ticket_keys = TicketKeyRing()
        self.ticket_secret = b""
        self.data: dict[int, Any] = {}
        self._completed: dict[bytes, tuple[Identity, Identity]] = {}

    def __repr__(self) -> str:
        return f"<SSL_CTX {self.method.name}{'' if self.references > 0 else ', freed'}>"

    def with_issuers(self, identity: Identity) -> Identity:
        """An identity of one certificate with the issuers that the anchors have of it."""
        if len(identity.chain) > 1 or not len(self.cert_store):
            return identity
        known = self._completed.get(identity.chain[0])
        if known is not None and known[0] is identity:
            return known[1]
        chain = [identity.certificate]
        while issuer_of(chain[-1]) != subject_of(chain[-1]):
            issuer = self.cert_store.issuer_of(chain[-1])
            if issuer is None or issuer in chain:
                break
            chain.append(issuer)
        completed = Identity(chain, identity.signer) if len(chain) > 1 else identity
        self._completed[identity.chain[0]] = (identity, completed)
        return completed

    def remove(self, session: SSL_SESSION) -> bool:
        """Forgets a session, which is not to be resumed any more; whether it was there."""
        if not session.id:
            return False
        found = self.sessions.discard(session)
        session.removed = True
        if self.remove_session_cb is not None:
            try:
                self.remove_session_cb(self, session)
            except Exception as error:
                report(self.remove_session_cb, error)
        return found

    def change(self, **changes: Any) -> None:
        """Other settings, for the connections that are made from now on."""
        self.settings = replace(self.settings, **changes)


def check_ctx(ctx: SSL_CTX) -> SSL_CTX:
    """The SSL_CTX, alive; raises TypeError or ReferenceError where C would be undefined."""
    if not isinstance(ctx, SSL_CTX):
        raise TypeError(f"an SSL_CTX is expected, not {type(ctx).__name__}")
    if ctx.references <= 0:
        raise ReferenceError("the SSL_CTX has been freed")
    return ctx


def check_callback(callback: Callback) -> Callback:
    """A callable or None; raises TypeError for anything else."""
    if callback is not None and not callable(callback):
        raise TypeError(f"a callback is a function or None, not {type(callback).__name__}")
    return callback


def report(callback: object, error: BaseException) -> None:
    """An exception in a callback has no one to go to: C's callbacks have none."""
    sys.unraisablehook(_Unraisable(callback, error))  # type: ignore[arg-type]


class _Unraisable:
    """What sys.unraisablehook takes."""

    def __init__(self, callback: object, error: BaseException) -> None:
        self.exc_type = type(error)
        self.exc_value = error
        self.exc_traceback = error.__traceback__
        self.err_msg = None
        self.object = callback


# -- making and freeing ----------------------------------------------------------------------------


@overload
def SSL_CTX_new(method: SSL_METHOD) -> SSL_CTX: ...
@overload
def SSL_CTX_new(method: None) -> None: ...
def SSL_CTX_new(method: SSL_METHOD | None) -> SSL_CTX | None:
    """A context for connections of one kind; None for None."""
    if method is None:
        raise_ssl(ERR_R_PASSED_NULL_PARAMETER)
        return None
    if not isinstance(method, SSL_METHOD):
        raise TypeError(f"an SSL_METHOD is expected, not {type(method).__name__}")
    return SSL_CTX(method)


def SSL_CTX_from_config(config: Config) -> SSL_CTX:
    """A context whose connections do what a ClientConfig or a ServerConfig says.

    This is not OpenSSL's: it gives its calls to everything that the engine can be told. What is
    set on the context besides, but for callbacks that only watch, is not looked at. A hook of the
    configuration's that suspends makes the call return -1, as a callback does.
    """
    if not isinstance(config, (ClientConfig, ServerConfig)):
        raise TypeError(
            f"a ClientConfig or a ServerConfig is expected, not {type(config).__name__}"
        )
    ctx = SSL_CTX(_CLIENT if isinstance(config, ClientConfig) else _SERVER)
    ctx.change(native=config)
    return ctx


def SSL_CTX_up_ref(ctx: SSL_CTX) -> int:
    """One more holds it, and has to free it."""
    check_ctx(ctx).references += 1
    return 1


def SSL_CTX_free(ctx: SSL_CTX | None) -> None:
    """Lets go of it; connections that were made with it keep it. Nothing happens for None."""
    if ctx is not None:
        check_ctx(ctx).references -= 1


def SSL_CTX_get_ex_data(ctx: SSL_CTX, index: int) -> Any:
    """What SSL_CTX_set_ex_data() has kept under an index."""
    return check_ctx(ctx).data.get(index)


def SSL_CTX_set_ex_data(ctx: SSL_CTX, index: int, data: Any) -> int:
    """Keeps something of the application's."""
    check_ctx(ctx).data[index] = data
    return 1


def SSL_CTX_get_cert_store(ctx: SSL_CTX) -> X509_STORE:
    """The anchors by which peers are verified. SSL_CTX_set_cert_store(3)."""
    return check_ctx(ctx).cert_store


def SSL_CTX_set_cert_store(ctx: SSL_CTX, store: X509_STORE) -> None:
    """Takes other anchors to verify peers by."""
    check_ctx(ctx).cert_store = store


# -- callbacks -------------------------------------------------------------------------------------


def SSL_CTX_set_info_callback(ctx: SSL_CTX, callback: Callback) -> None:
    """``callback(ssl, where, ret)`` is told how the handshake goes."""
    check_ctx(ctx).info_callback = check_callback(callback)


def SSL_CTX_get_info_callback(ctx: SSL_CTX) -> Callback:
    """What SSL_CTX_set_info_callback has set, or None."""
    return check_ctx(ctx).info_callback


def SSL_CTX_set_msg_callback(ctx: SSL_CTX, callback: Callback) -> None:
    """``callback(write_p, version, content_type, buf, len, ssl, arg)`` sees every message."""
    check_ctx(ctx).msg_callback = check_callback(callback)


def SSL_CTX_set_msg_callback_arg(ctx: SSL_CTX, arg: Any) -> int:
    """What the message callback is given last."""
    check_ctx(ctx).msg_argument = arg
    return 1


def SSL_CTX_set_keylog_callback(ctx: SSL_CTX, callback: Callback) -> None:
    """``callback(ssl, line)`` is given each secret, in the NSS key log format."""
    check_ctx(ctx).keylog_callback = check_callback(callback)


def SSL_CTX_set_client_hello_cb(ctx: SSL_CTX, callback: Callback, arg: Any) -> None:
    """On a server: ``callback(ssl, al, arg)`` sees each ClientHello before it is answered.

    It returns SSL_CLIENT_HELLO_SUCCESS, SSL_CLIENT_HELLO_RETRY to be called again, or
    SSL_CLIENT_HELLO_ERROR, then also ``(SSL_CLIENT_HELLO_ERROR, alert)``.
    """
    ctx = check_ctx(ctx)
    ctx.client_hello_cb, ctx.client_hello_arg = check_callback(callback), arg


def SSL_CTX_set_tlsext_servername_callback(ctx: SSL_CTX, callback: Callback) -> int:
    """``callback(ssl, al, arg)`` decides on the name that a client asks for.

    It returns ``SSL_TLSEXT_ERR_…``, or that and an alert.
    """
    check_ctx(ctx).servername_cb = check_callback(callback)
    return 1


def SSL_CTX_set_tlsext_servername_arg(ctx: SSL_CTX, arg: Any) -> int:
    """What that callback is given last."""
    check_ctx(ctx).servername_arg = arg
    return 1


def SSL_CTX_set_alpn_select_cb(ctx: SSL_CTX, callback: Callback, arg: Any) -> None:
    """On a server: ``callback(ssl, data, arg) -> (ret, protocol)`` chooses an application protocol.

    *data* holds those of the client as they stand on the wire, each behind a byte with its length.
    The code is ``SSL_TLSEXT_ERR_…``; alone it does where no protocol is chosen.
    """
    ctx = check_ctx(ctx)
    ctx.alpn_select_cb, ctx.alpn_select_arg = check_callback(callback), arg


def SSL_CTX_set_cert_verify_callback(ctx: SSL_CTX, callback: Callback, arg: Any) -> None:
    """``callback(x509_ctx, arg)`` verifies in place of X509_verify_cert()."""
    ctx = check_ctx(ctx)
    ctx.cert_verify_cb, ctx.cert_verify_arg = check_callback(callback), arg


def SSL_CTX_set_default_passwd_cb(ctx: SSL_CTX, callback: Callback) -> None:
    """``callback(size, rwflag, arg)`` returns the password of a key file."""
    check_ctx(ctx).password_cb = check_callback(callback)


def SSL_CTX_set_default_passwd_cb_userdata(ctx: SSL_CTX, arg: Any) -> None:
    """What that callback is given last; without one, the password."""
    check_ctx(ctx).password_arg = arg
