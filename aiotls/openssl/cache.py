"""The sessions that an SSL_CTX keeps: SSL_CTX_set_session_cache_mode(3), SSL_CTX_add_session(3).

And what the application keeps in its place: SSL_CTX_sess_set_get_cb(3).
"""

from __future__ import annotations

import os
from typing import Any

from ..sessions import TicketKey, TicketKeyRing
from .context import SSL_CTX, Callback, check_callback, check_ctx
from .sessions import SSL_SESSION, check_session


def SSL_CTX_set_session_cache_mode(ctx: SSL_CTX, mode: int) -> int:
    """Which sides' sessions the callbacks are told of. Returns what it was."""
    old = check_ctx(ctx).session_cache_mode
    ctx.session_cache_mode = mode
    return old


def SSL_CTX_get_session_cache_mode(ctx: SSL_CTX) -> int:
    """The SSL_SESS_CACHE_* that are set. SSL_CTX_set_session_cache_mode(3)."""
    return check_ctx(ctx).session_cache_mode


def SSL_CTX_sess_set_new_cb(ctx: SSL_CTX, callback: Callback) -> None:
    """``callback(ssl, session)`` is given each new session; 1 says that it keeps it."""
    check_ctx(ctx).new_session_cb = check_callback(callback)


def SSL_CTX_sess_set_remove_cb(ctx: SSL_CTX, callback: Callback) -> None:
    """``callback(ctx, session)`` is told of sessions that failed and must not be used again."""
    check_ctx(ctx).remove_session_cb = check_callback(callback)


def SSL_CTX_sess_set_get_cb(ctx: SSL_CTX, callback: Callback) -> None:
    """On a server: ``callback(ssl, id, length)`` finds a session by its id that the context lacks.

    It returns the SSL_SESSION or None. What C hands back in *copy*, whether the connection needs
    a hold of its own, may stand behind it: ``(session, copy)``; it does without.
    """
    check_ctx(ctx).get_session_cb = check_callback(callback)


def SSL_CTX_sess_get_new_cb(ctx: SSL_CTX) -> Callback:
    """The callback of SSL_CTX_sess_set_new_cb()."""
    return check_ctx(ctx).new_session_cb


def SSL_CTX_sess_get_remove_cb(ctx: SSL_CTX) -> Callback:
    """The callback of SSL_CTX_sess_set_remove_cb()."""
    return check_ctx(ctx).remove_session_cb


def SSL_CTX_sess_get_get_cb(ctx: SSL_CTX) -> Callback:
    """The callback of SSL_CTX_sess_set_get_cb()."""
    return check_ctx(ctx).get_session_cb


def SSL_CTX_add_session(ctx: SSL_CTX, session: SSL_SESSION) -> int:
    """Has the context keep a session: 1; 0 for one that it keeps already."""
    check_session(session)
    return int(check_ctx(ctx).sessions.add(session))


def SSL_CTX_remove_session(ctx: SSL_CTX, session: SSL_SESSION) -> int:
    """Has the context forget a session, which is not to be resumed any more: 1 if it was there."""
    check_session(session)
    return int(check_ctx(ctx).remove(session))


def SSL_CTX_flush_sessions(ctx: SSL_CTX, tm: int) -> None:
    """Forgets the sessions that are over at a time, in seconds since the epoch; 0: all."""
    for session in check_ctx(ctx).sessions.over(tm):
        ctx.remove(session)


def SSL_CTX_sess_set_cache_size(ctx: SSL_CTX, size: int) -> int:
    """How many sessions the context keeps, 0 for any number. Returns what it was."""
    old = check_ctx(ctx).sessions.size
    ctx.sessions.size = size
    return old


def SSL_CTX_sess_get_cache_size(ctx: SSL_CTX) -> int:
    """How many sessions the context keeps, 0 for any number."""
    return check_ctx(ctx).sessions.size


def SSL_CTX_sess_number(ctx: SSL_CTX) -> int:
    """How many sessions the context itself keeps at present."""
    return len(check_ctx(ctx).sessions)


def SSL_CTX_sess_connect(ctx: SSL_CTX) -> int:
    """How many handshakes its clients have begun."""
    return check_ctx(ctx).sessions.counts["connect"]


def SSL_CTX_sess_connect_good(ctx: SSL_CTX) -> int:
    """How many handshakes its clients have finished."""
    return check_ctx(ctx).sessions.counts["connect_good"]


def SSL_CTX_sess_connect_renegotiate(ctx: SSL_CTX) -> int:
    """0: nothing is negotiated again."""
    check_ctx(ctx)
    return 0


def SSL_CTX_sess_accept(ctx: SSL_CTX) -> int:
    """How many handshakes its servers have begun."""
    return check_ctx(ctx).sessions.counts["accept"]


def SSL_CTX_sess_accept_good(ctx: SSL_CTX) -> int:
    """How many handshakes its servers have finished."""
    return check_ctx(ctx).sessions.counts["accept_good"]


def SSL_CTX_sess_accept_renegotiate(ctx: SSL_CTX) -> int:
    """0: nothing is negotiated again."""
    check_ctx(ctx)
    return 0


def SSL_CTX_sess_hits(ctx: SSL_CTX) -> int:
    """How many sessions were resumed."""
    return check_ctx(ctx).sessions.counts["hits"]


def SSL_CTX_sess_cb_hits(ctx: SSL_CTX) -> int:
    """How many of them were found by the callback of SSL_CTX_sess_set_get_cb()."""
    return check_ctx(ctx).sessions.counts["cb_hits"]


def SSL_CTX_sess_misses(ctx: SSL_CTX) -> int:
    """How many sessions were asked for that the context does not keep."""
    return check_ctx(ctx).sessions.counts["misses"]


def SSL_CTX_sess_timeouts(ctx: SSL_CTX) -> int:
    """How many sessions were asked for that were over."""
    return check_ctx(ctx).sessions.counts["timeouts"]


def SSL_CTX_sess_cache_full(ctx: SSL_CTX) -> int:
    """How many sessions were forgotten as there were too many."""
    return check_ctx(ctx).sessions.counts["cache_full"]


def SSL_CTX_set_session_ticket_cb(
    ctx: SSL_CTX, generate: Callback, decrypt: Callback, arg: Any
) -> int:
    """``generate(ssl, arg)`` is called before a ticket is made: 0 ends the handshake.

    ``decrypt(ssl, session, keyname, keyname_len, status, arg)`` is called when one was received,
    and decides by ``SSL_TICKET_RETURN_…`` whether it is used.
    """
    ctx = check_ctx(ctx)
    ctx.generate_ticket_cb = check_callback(generate)
    ctx.decrypt_ticket_cb = check_callback(decrypt)
    ctx.ticket_arg = arg
    return 1


def SSL_CTX_set_tlsext_ticket_keys(ctx: SSL_CTX, keys: bytes | None, length: int) -> int:
    """The keys that protect tickets: 16 bytes of a name and 64 of secrets.

    The same on several servers lets them resume each other's sessions. With None the length is
    returned. The tickets are this engine's own, not OpenSSL's.
    """
    ctx = check_ctx(ctx)
    if keys is None:
        return 80
    if length != 80 or len(keys) < 80:
        return 0
    name, secret = bytes(keys[:16]), bytes(keys[48:80])
    ctx.ticket_keys = TicketKeyRing((TicketKey(name, secret),), rotation=None)
    ctx.ticket_secret = bytes(keys[:80])
    return 1


def SSL_CTX_get_tlsext_ticket_keys(ctx: SSL_CTX, keys: bytearray | None, length: int) -> int:
    """The keys that protect tickets, written to *keys*; with None their length."""
    ctx = check_ctx(ctx)
    if keys is None:
        return 80
    if length != 80:
        return 0
    known = ctx.ticket_secret
    if not known:
        known = os.urandom(80)
        SSL_CTX_set_tlsext_ticket_keys(ctx, known, 80)
    keys[:80] = known
    return 1


def SSL_CTX_set_timeout(ctx: SSL_CTX, seconds: int) -> int:
    """For how many seconds sessions can be resumed. Returns what it was."""
    old = check_ctx(ctx).session_timeout
    ctx.session_timeout = seconds
    return old


def SSL_CTX_get_timeout(ctx: SSL_CTX) -> int:
    """For how many seconds sessions can be resumed."""
    return check_ctx(ctx).session_timeout
