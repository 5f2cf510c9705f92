"""How connections behave: options, modes, tickets, and the callbacks that watch."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ..crypto.aead import MAX_PLAINTEXT
from .arguments import check_int
from .bio_kinds import Readable
from .connection import SSL
from .constants import (
    SSL_MAX_SID_CTX_LENGTH,
)
from .context import SSL_CTX, check_callback
from .errors import raise_ssl
from .holders import Holder, check_holder, check_ssl
from .reasons import (
    SSL_R_SSL_SESSION_ID_CONTEXT_TOO_LONG,
)


def _set_session_id_context(holder: Holder, context: Readable, length: int) -> int:
    check_holder(holder)
    if length > SSL_MAX_SID_CTX_LENGTH:
        raise_ssl(SSL_R_SSL_SESSION_ID_CONTEXT_TOO_LONG)
        return 0
    holder.change(session_id_context=bytes(context)[:length])
    return 1


def _set_max_fragment(holder: Holder, size: int) -> int:
    check_holder(holder)
    if not 512 <= check_int(size, "a size") <= MAX_PLAINTEXT:
        return 0
    holder.change(max_fragment=size)
    return 1


def _set_num_tickets(holder: Holder, number: int) -> int:
    check_holder(holder).change(num_tickets=check_int(number, "a number of tickets"))
    return 1


def _options(holder: Holder, options: int) -> int:
    holder.change(options=options)
    return options


def _mode(holder: Holder, mode: int) -> int:
    holder.change(mode=mode)
    return mode


def _set_max_early_data(holder: Holder, size: int) -> int:
    check_holder(holder).change(max_early_data=check_int(size, "a size"))
    return 1


# -- on an SSL_CTX --------------------------------------------------------------------------------


def SSL_CTX_set_options(ctx: SSL_CTX, options: int) -> int:
    """Adds options, ``SSL_OP_…``, and returns all."""
    return _options(ctx, check_holder(ctx).settings.options | options)


def SSL_CTX_clear_options(ctx: SSL_CTX, options: int) -> int:
    """Takes options away, and returns what is left."""
    return _options(ctx, check_holder(ctx).settings.options & ~options)


def SSL_CTX_get_options(ctx: SSL_CTX) -> int:
    """The SSL_OP_* that are set for new connections. SSL_CTX_set_options(3)."""
    return check_holder(ctx).settings.options


def SSL_CTX_set_mode(ctx: SSL_CTX, mode: int) -> int:
    """Adds modes, ``SSL_MODE_…``, and returns all."""
    return _mode(ctx, check_holder(ctx).settings.mode | mode)


def SSL_CTX_clear_mode(ctx: SSL_CTX, mode: int) -> int:
    """Takes modes away, and returns what is left."""
    return _mode(ctx, check_holder(ctx).settings.mode & ~mode)


def SSL_CTX_get_mode(ctx: SSL_CTX) -> int:
    """The SSL_MODE_* that are set for new connections. SSL_CTX_set_mode(3)."""
    return check_holder(ctx).settings.mode


def SSL_CTX_set_session_id_context(ctx: SSL_CTX, context: Readable, length: int) -> int:
    """On a server: what sessions belong to; at most 32 bytes."""
    return _set_session_id_context(ctx, context, length)


def SSL_CTX_set_max_send_fragment(ctx: SSL_CTX, size: int) -> int:
    """The largest piece that goes into a record, in bytes; 0 for less than 512 or over 16384."""
    return _set_max_fragment(ctx, size)


def SSL_CTX_set_num_tickets(ctx: SSL_CTX, number: int) -> int:
    """On a server: how many TLS 1.3 tickets a client is given after the handshake."""
    return _set_num_tickets(ctx, number)


def SSL_CTX_get_num_tickets(ctx: SSL_CTX) -> int:
    """How many TLS 1.3 tickets a client is given."""
    return check_holder(ctx).settings.num_tickets


def SSL_CTX_set_max_early_data(ctx: SSL_CTX, size: int) -> int:
    """On a server: how many bytes of early data a client may send."""
    return _set_max_early_data(ctx, size)


def SSL_CTX_get_max_early_data(ctx: SSL_CTX) -> int:
    """How many bytes of early data a client may send."""
    return check_holder(ctx).settings.max_early_data


def SSL_CTX_set_post_handshake_auth(ctx: SSL_CTX, enabled: int) -> None:
    """On a client: whether the server may ask for a certificate after the handshake."""
    check_holder(ctx).change(post_handshake_auth=bool(enabled))


def SSL_CTX_set_quiet_shutdown(ctx: SSL_CTX, mode: int) -> None:
    """Whether SSL_shutdown() neither sends nor waits for anything."""
    check_holder(ctx).change(quiet_shutdown=bool(mode))


def SSL_CTX_get_quiet_shutdown(ctx: SSL_CTX) -> int:
    """Whether SSL_shutdown() neither sends nor waits for anything."""
    return int(check_holder(ctx).settings.quiet_shutdown)


# -- on an SSL ------------------------------------------------------------------------------------


def SSL_set_options(ssl: SSL, options: int) -> int:
    """Adds options, ``SSL_OP_…``, and returns all."""
    return _options(ssl, check_holder(ssl).settings.options | options)


def SSL_clear_options(ssl: SSL, options: int) -> int:
    """Takes options away, and returns what is left."""
    return _options(ssl, check_holder(ssl).settings.options & ~options)


def SSL_get_options(ssl: SSL) -> int:
    """The SSL_OP_* of this connection. SSL_CTX_set_options(3)."""
    return check_holder(ssl).settings.options


def SSL_set_mode(ssl: SSL, mode: int) -> int:
    """Adds modes, ``SSL_MODE_…``, and returns all."""
    return _mode(ssl, check_holder(ssl).settings.mode | mode)


def SSL_clear_mode(ssl: SSL, mode: int) -> int:
    """Takes modes away, and returns what is left."""
    return _mode(ssl, check_holder(ssl).settings.mode & ~mode)


def SSL_get_mode(ssl: SSL) -> int:
    """The SSL_MODE_* of this connection. SSL_CTX_set_mode(3)."""
    return check_holder(ssl).settings.mode


def SSL_set_session_id_context(ssl: SSL, context: Readable, length: int) -> int:
    """On a server: what sessions belong to; at most 32 bytes."""
    return _set_session_id_context(ssl, context, length)


def SSL_set_max_send_fragment(ssl: SSL, size: int) -> int:
    """The largest piece that goes into a record of this connection, in bytes."""
    return _set_max_fragment(ssl, size)


def SSL_set_num_tickets(ssl: SSL, number: int) -> int:
    """On a server: how many TLS 1.3 tickets a client is given after the handshake."""
    return _set_num_tickets(ssl, number)


def SSL_get_num_tickets(ssl: SSL) -> int:
    """How many TLS 1.3 tickets a client is given."""
    return check_holder(ssl).settings.num_tickets


def SSL_set_max_early_data(ssl: SSL, size: int) -> int:
    """On a server: how many bytes of early data a client may send."""
    return _set_max_early_data(ssl, size)


def SSL_get_max_early_data(ssl: SSL) -> int:
    """How many bytes of early data a client may send."""
    return check_holder(ssl).settings.max_early_data


def SSL_set_post_handshake_auth(ssl: SSL, enabled: int) -> None:
    """On a client: whether the server may ask for a certificate after the handshake."""
    check_holder(ssl).change(post_handshake_auth=bool(enabled))


def SSL_set_quiet_shutdown(ssl: SSL, mode: int) -> None:
    """Whether SSL_shutdown() neither sends nor waits for anything."""
    check_holder(ssl).change(quiet_shutdown=bool(mode))


def SSL_get_quiet_shutdown(ssl: SSL) -> int:
    """Whether SSL_shutdown() neither sends nor waits for anything."""
    return int(check_holder(ssl).settings.quiet_shutdown)


def SSL_set_info_callback(ssl: SSL, callback: Callable[..., Any] | None) -> None:
    """``callback(ssl, where, ret)`` is told how the handshake goes."""
    check_ssl(ssl).info_callback = check_callback(callback)


def SSL_set_msg_callback(ssl: SSL, callback: Callable[..., Any] | None) -> None:
    """``callback(write_p, version, content_type, buf, len, ssl, arg)`` sees every message."""
    check_ssl(ssl).msg_callback = check_callback(callback)


def SSL_set_msg_callback_arg(ssl: SSL, arg: Any) -> int:
    """What the message callback is given last."""
    check_ssl(ssl).msg_argument = arg
    return 1
