"""The system's libssl and libcrypto by ctypes, called as aiotls.openssl is called.

Pointers are integers, None is NULL. Where C hands a value back through a pointer, the function
here returns a tuple, code first, as those of aiotls.openssl do: a script of calls runs on either.
"""

from __future__ import annotations

import ctypes
from ctypes import (
    CFUNCTYPE,
    POINTER,
    byref,
    c_char_p,
    c_int,
    c_long,
    c_size_t,
    c_ubyte,
    c_uint,
    c_uint64,
    c_ulong,
    c_void_p,
)
from typing import Any

crypto = ctypes.CDLL("libcrypto.so.3", use_errno=True)
ssl = ctypes.CDLL("libssl.so.3", use_errno=True)
ssl.OPENSSL_init_ssl(c_uint64(0x00200000), None)  # load the error strings

crypto.OpenSSL_version.restype = c_char_p
VERSION = crypto.OpenSSL_version(0).decode()
KNOWN = "OpenSSL 3.0."
"""The versions whose answers the scripts ask for: others have other traces here and there."""

P, N, L, U, Z, S = c_void_p, c_int, c_long, c_ulong, c_size_t, c_char_p


def _bind(library: ctypes.CDLL, name: str, result: Any, *arguments: Any) -> Any:
    function = getattr(library, name)
    function.restype = result
    function.argtypes = arguments
    return function


def pointer(data: Any) -> Any:
    """The address of a buffer: of bytes themselves, so that it stays the same."""
    if data is None:
        return None
    if isinstance(data, bytes):
        return c_void_p.from_buffer(c_char_p(data)).value
    return ctypes.cast((ctypes.c_char * len(data)).from_buffer(data), c_void_p)


# -- errors ----------------------------------------------------------------------------------------

ERR_get_error = _bind(crypto, "ERR_get_error", U)
ERR_peek_error = _bind(crypto, "ERR_peek_error", U)
ERR_peek_last_error = _bind(crypto, "ERR_peek_last_error", U)
ERR_clear_error = _bind(crypto, "ERR_clear_error", None)
ERR_set_mark = _bind(crypto, "ERR_set_mark", N)
ERR_pop_to_mark = _bind(crypto, "ERR_pop_to_mark", N)
ERR_clear_last_mark = _bind(crypto, "ERR_clear_last_mark", N)
_lib_string = _bind(crypto, "ERR_lib_error_string", S, U)
_reason_string = _bind(crypto, "ERR_reason_error_string", S, U)
_error_string_n = _bind(crypto, "ERR_error_string_n", None, U, S, Z)
_err_new = _bind(crypto, "ERR_new", None)
_err_set = _bind(crypto, "ERR_set_error", None, N, N, S)


def ERR_lib_error_string(code: int) -> str | None:
    text = _lib_string(code)
    return text.decode() if text is not None else None


def ERR_reason_error_string(code: int) -> str | None:
    text = _reason_string(code)
    return text.decode() if text is not None else None


def ERR_error_string(code: int, buf: bytearray | None = None) -> str:
    return ERR_error_string_n(code, buf, 256)


def ERR_error_string_n(code: int, buf: bytearray | None, length: int) -> str:
    text = ctypes.create_string_buffer(max(length, 1))
    _error_string_n(code, text, length)
    return text.value.decode()


def ERR_raise(lib: int, reason: int) -> None:
    _err_new()
    _err_set(lib, reason, None)


# -- BIOs ------------------------------------------------------------------------------------------

BIO_s_mem = _bind(crypto, "BIO_s_mem", P)
BIO_s_bio = _bind(crypto, "BIO_s_bio", P)
BIO_s_socket = _bind(crypto, "BIO_s_socket", P)
BIO_s_null = _bind(crypto, "BIO_s_null", P)
BIO_new = _bind(crypto, "BIO_new", P, P)
BIO_new_socket = _bind(crypto, "BIO_new_socket", P, N, N)
BIO_free = _bind(crypto, "BIO_free", N, P)
BIO_up_ref = _bind(crypto, "BIO_up_ref", N, P)
BIO_ctrl_ = _bind(crypto, "BIO_ctrl", L, P, N, L, P)
BIO_ctrl_pending = _bind(crypto, "BIO_ctrl_pending", Z, P)
BIO_ctrl_wpending = _bind(crypto, "BIO_ctrl_wpending", Z, P)
BIO_ctrl_get_write_guarantee = _bind(crypto, "BIO_ctrl_get_write_guarantee", Z, P)
BIO_ctrl_get_read_request = _bind(crypto, "BIO_ctrl_get_read_request", Z, P)
BIO_ctrl_reset_read_request = _bind(crypto, "BIO_ctrl_reset_read_request", N, P)
BIO_test_flags = _bind(crypto, "BIO_test_flags", N, P, N)
BIO_set_flags = _bind(crypto, "BIO_set_flags", None, P, N)
BIO_clear_flags = _bind(crypto, "BIO_clear_flags", None, P, N)
BIO_method_type = _bind(crypto, "BIO_method_type", N, P)
BIO_number_read = _bind(crypto, "BIO_number_read", c_uint64, P)
BIO_number_written = _bind(crypto, "BIO_number_written", c_uint64, P)
_method_name = _bind(crypto, "BIO_method_name", S, P)
_bio_read = _bind(crypto, "BIO_read", N, P, P, N)
_bio_write = _bind(crypto, "BIO_write", N, P, P, N)
_bio_gets = _bind(crypto, "BIO_gets", N, P, P, N)
_bio_puts = _bind(crypto, "BIO_puts", N, P, S)
_new_mem_buf = _bind(crypto, "BIO_new_mem_buf", P, P, N)
_new_pair = _bind(crypto, "BIO_new_bio_pair", N, POINTER(P), Z, POINTER(P), Z)


def BIO_method_name(bio: int) -> str:
    return str(_method_name(bio).decode())


def BIO_new_mem_buf(data: bytes, length: int) -> Any:
    return _new_mem_buf(pointer(data), length)


def BIO_new_bio_pair(size1: int, size2: int) -> tuple[int, int | None, int | None]:
    one, other = P(), P()
    ret = _new_pair(byref(one), size1, byref(other), size2)
    return ret, one.value, other.value


def BIO_ctrl(bio: int | None, cmd: int, larg: int, parg: Any = None) -> int:
    return int(BIO_ctrl_(bio, cmd, larg, parg))


def BIO_make_bio_pair(one: int, other: int) -> int:
    return BIO_ctrl(one, 138, 0, other)


def BIO_destroy_bio_pair(bio: int) -> int:
    return BIO_ctrl(bio, 139, 0)


def BIO_set_write_buf_size(bio: int, size: int) -> int:
    return BIO_ctrl(bio, 136, size)


def BIO_get_write_buf_size(bio: int, size: int = 0) -> int:
    return BIO_ctrl(bio, 137, size)


def BIO_get_write_guarantee(bio: int) -> int:
    return BIO_ctrl(bio, 140, 0)


def BIO_get_read_request(bio: int) -> int:
    return BIO_ctrl(bio, 141, 0)


def BIO_shutdown_wr(bio: int) -> int:
    return BIO_ctrl(bio, 142, 0)


def BIO_set_mem_eof_return(bio: int, value: int) -> int:
    return BIO_ctrl(bio, 130, value)


def BIO_pending(bio: int | None) -> int:
    return BIO_ctrl(bio, 10, 0)


def BIO_wpending(bio: int | None) -> int:
    return BIO_ctrl(bio, 13, 0)


def BIO_eof(bio: int | None) -> int:
    return BIO_ctrl(bio, 2, 0)


def BIO_flush(bio: int | None) -> int:
    return BIO_ctrl(bio, 11, 0)


def BIO_reset(bio: int | None) -> int:
    return BIO_ctrl(bio, 1, 0)


def BIO_get_close(bio: int) -> int:
    return BIO_ctrl(bio, 8, 0)


def BIO_set_close(bio: int, flag: int) -> int:
    BIO_ctrl(bio, 9, flag)
    return 1


def BIO_set_fd(bio: int, fd: int, close_flag: int) -> int:
    return BIO_ctrl(bio, 104, close_flag, byref(c_int(fd)))


def BIO_get_fd(bio: int) -> int:
    return BIO_ctrl(bio, 105, 0)


def BIO_read(bio: int | None, buf: bytearray | None, num: int) -> int:
    return int(_bio_read(bio, pointer(buf) if buf else None, num))


def BIO_write(bio: int | None, data: bytes | None, num: int) -> int:
    return int(_bio_write(bio, pointer(data), num))


def BIO_gets(bio: int | None, buf: bytearray, size: int) -> int:
    return int(_bio_gets(bio, pointer(buf), size))


def BIO_puts(bio: int | None, text: str) -> int:
    return int(_bio_puts(bio, text.encode()))


def BIO_should_read(bio: int) -> int:
    return int(BIO_test_flags(bio, 1))


def BIO_should_write(bio: int) -> int:
    return int(BIO_test_flags(bio, 2))


def BIO_should_retry(bio: int) -> int:
    return int(BIO_test_flags(bio, 8))


def BIO_get_retry_flags(bio: int) -> int:
    return int(BIO_test_flags(bio, 15))


# -- contexts --------------------------------------------------------------------------------------

_kept: list[Any] = []  # callbacks that C still holds


def _keep(prototype: Any, function: Any) -> Any:
    if function is None:
        return prototype()
    wrapped = prototype(function)
    _kept.append(wrapped)
    return wrapped


TLS_method = _bind(ssl, "TLS_method", P)
TLS_client_method = _bind(ssl, "TLS_client_method", P)
TLS_server_method = _bind(ssl, "TLS_server_method", P)
SSL_CTX_new = _bind(ssl, "SSL_CTX_new", P, P)
SSL_CTX_free = _bind(ssl, "SSL_CTX_free", None, P)
SSL_CTX_check_private_key = _bind(ssl, "SSL_CTX_check_private_key", N, P)
SSL_CTX_set_options = _bind(ssl, "SSL_CTX_set_options", c_uint64, P, c_uint64)
SSL_CTX_clear_options = _bind(ssl, "SSL_CTX_clear_options", c_uint64, P, c_uint64)
SSL_CTX_get_options = _bind(ssl, "SSL_CTX_get_options", c_uint64, P)
SSL_CTX_set_num_tickets = _bind(ssl, "SSL_CTX_set_num_tickets", N, P, Z)
SSL_CTX_set_default_verify_paths = _bind(ssl, "SSL_CTX_set_default_verify_paths", N, P)
SSL_CTX_set_quiet_shutdown = _bind(ssl, "SSL_CTX_set_quiet_shutdown", None, P, N)
_ctx_ctrl = _bind(ssl, "SSL_CTX_ctrl", L, P, N, L, P)
_ctx_callback_ctrl = _bind(ssl, "SSL_CTX_callback_ctrl", L, P, N, P)
_ctx_chain_file = _bind(ssl, "SSL_CTX_use_certificate_chain_file", N, P, S)
_ctx_cert_file = _bind(ssl, "SSL_CTX_use_certificate_file", N, P, S, N)
_ctx_key_file = _bind(ssl, "SSL_CTX_use_PrivateKey_file", N, P, S, N)
_ctx_locations = _bind(ssl, "SSL_CTX_load_verify_locations", N, P, S, S)
_ctx_ciphersuites = _bind(ssl, "SSL_CTX_set_ciphersuites", N, P, S)
_ctx_cipher_list = _bind(ssl, "SSL_CTX_set_cipher_list", N, P, S)
_ctx_sid_context = _bind(ssl, "SSL_CTX_set_session_id_context", N, P, S, c_uint)
_ctx_alpn_protos = _bind(ssl, "SSL_CTX_set_alpn_protos", N, P, S, c_uint)


def _path(file: str | None) -> bytes | None:
    return file.encode() if file is not None else None


def _bytes(text: str | bytes) -> bytes:
    return text.encode() if isinstance(text, str) else text


def SSL_CTX_use_certificate_chain_file(ctx: int, file: str) -> int:
    return int(_ctx_chain_file(ctx, _path(file)))


def SSL_CTX_use_certificate_file(ctx: int, file: str, filetype: int) -> int:
    return int(_ctx_cert_file(ctx, _path(file), filetype))


def SSL_CTX_use_PrivateKey_file(ctx: int, file: str, filetype: int) -> int:
    return int(_ctx_key_file(ctx, _path(file), filetype))


def SSL_CTX_load_verify_locations(ctx: int, file: str | None, path: str | None) -> int:
    return int(_ctx_locations(ctx, _path(file), _path(path)))


def SSL_CTX_set_ciphersuites(ctx: int, string: str) -> int:
    return int(_ctx_ciphersuites(ctx, _bytes(string)))


def SSL_CTX_set_cipher_list(ctx: int, string: str) -> int:
    return int(_ctx_cipher_list(ctx, _bytes(string)))


def SSL_CTX_set_session_id_context(ctx: int, context: bytes, length: int) -> int:
    return int(_ctx_sid_context(ctx, context, length))


def SSL_CTX_set_alpn_protos(ctx: int, protos: bytes, length: int) -> int:
    return int(_ctx_alpn_protos(ctx, protos, length))


def SSL_CTX_set1_groups_list(ctx: int, string: str) -> int:
    return int(_ctx_ctrl(ctx, 92, 0, c_char_p(_bytes(string))))


def SSL_CTX_set1_sigalgs_list(ctx: int, string: str) -> int:
    return int(_ctx_ctrl(ctx, 98, 0, c_char_p(_bytes(string))))


def SSL_CTX_set_min_proto_version(ctx: int, version: int) -> int:
    return int(_ctx_ctrl(ctx, 123, version, None))


def SSL_CTX_set_max_proto_version(ctx: int, version: int) -> int:
    return int(_ctx_ctrl(ctx, 124, version, None))


def SSL_CTX_get_min_proto_version(ctx: int) -> int:
    return int(_ctx_ctrl(ctx, 130, 0, None))


def SSL_CTX_get_max_proto_version(ctx: int) -> int:
    return int(_ctx_ctrl(ctx, 131, 0, None))


def SSL_CTX_set_mode(ctx: int, mode: int) -> int:
    return int(_ctx_ctrl(ctx, 33, mode, None))


def SSL_CTX_clear_mode(ctx: int, mode: int) -> int:
    return int(_ctx_ctrl(ctx, 78, mode, None))


def SSL_CTX_set_session_cache_mode(ctx: int, mode: int) -> int:
    return int(_ctx_ctrl(ctx, 44, mode, None))


_VERIFY = CFUNCTYPE(N, N, P)
_APP_VERIFY = CFUNCTYPE(N, P, P)
_CERT = CFUNCTYPE(N, P, P)
_INFO = CFUNCTYPE(None, P, N, N)
_HELLO = CFUNCTYPE(N, P, POINTER(N), P)
_ALPN = CFUNCTYPE(N, P, POINTER(P), POINTER(c_ubyte), P, c_uint, P)
_KEYLOG = CFUNCTYPE(None, P, S)
_NEW_SESSION = CFUNCTYPE(N, P, P)
_MESSAGE = CFUNCTYPE(None, N, N, N, P, Z, P, P)
_set_verify = _bind(ssl, "SSL_CTX_set_verify", None, P, N, _VERIFY)
_set_app_verify = _bind(ssl, "SSL_CTX_set_cert_verify_callback", None, P, _APP_VERIFY, P)
_set_cert_cb = _bind(ssl, "SSL_CTX_set_cert_cb", None, P, _CERT, P)
_set_info = _bind(ssl, "SSL_CTX_set_info_callback", None, P, _INFO)
_set_hello = _bind(ssl, "SSL_CTX_set_client_hello_cb", None, P, _HELLO, P)
_set_alpn_cb = _bind(ssl, "SSL_CTX_set_alpn_select_cb", None, P, _ALPN, P)
_set_keylog = _bind(ssl, "SSL_CTX_set_keylog_callback", None, P, _KEYLOG)
_set_new_session = _bind(ssl, "SSL_CTX_sess_set_new_cb", None, P, _NEW_SESSION)
_set_message = _bind(ssl, "SSL_CTX_set_msg_callback", None, P, _MESSAGE)


def SSL_CTX_set_verify(ctx: int, mode: int, callback: Any) -> None:
    _set_verify(ctx, mode, _keep(_VERIFY, callback))


def SSL_CTX_set_cert_verify_callback(ctx: int, callback: Any, arg: Any) -> None:
    _set_app_verify(ctx, _keep(_APP_VERIFY, lambda store, _: callback(store, arg)), None)


def SSL_CTX_set_cert_cb(ctx: int, callback: Any, arg: Any) -> None:
    _set_cert_cb(ctx, _keep(_CERT, lambda s, _: callback(s, arg)), None)


def SSL_CTX_set_info_callback(ctx: int, callback: Any) -> None:
    _set_info(ctx, _keep(_INFO, callback))


def SSL_CTX_set_msg_callback(ctx: int, callback: Any) -> None:
    def call(written: int, version: int, kind: int, buf: int, size: int, s: int, arg: Any) -> None:
        callback(written, version, kind, ctypes.string_at(buf, size), size, s, arg)

    _set_message(ctx, _keep(_MESSAGE, call))


def SSL_CTX_set_keylog_callback(ctx: int, callback: Any) -> None:
    _set_keylog(ctx, _keep(_KEYLOG, lambda s, line: callback(s, line.decode())))


def SSL_CTX_sess_set_new_cb(ctx: int, callback: Any) -> None:
    _set_new_session(ctx, _keep(_NEW_SESSION, callback))


def _with_alert(callback: Any, arg: Any) -> Any:
    def call(s: int, al: Any, _: Any) -> int:
        answer = callback(s, al[0], arg)
        if isinstance(answer, tuple):
            answer, al[0] = answer
        return int(answer)

    return call


def SSL_CTX_set_client_hello_cb(ctx: int, callback: Any, arg: Any) -> None:
    _set_hello(ctx, _keep(_HELLO, _with_alert(callback, arg)), None)


def SSL_CTX_set_tlsext_servername_callback(ctx: int, callback: Any) -> int:
    wrapped = _keep(_HELLO, _with_alert(callback, None))
    return int(_ctx_callback_ctrl(ctx, 53, ctypes.cast(wrapped, c_void_p)))


def SSL_CTX_set_alpn_select_cb(ctx: int, callback: Any, arg: Any) -> None:
    def call(s: int, out: Any, outlen: Any, data: int, size: int, _: Any) -> int:
        answer = callback(s, ctypes.string_at(data, size), arg)
        code, protocol = answer if isinstance(answer, tuple) else (answer, b"")
        if protocol:
            held = ctypes.create_string_buffer(protocol, len(protocol))
            _kept.append(held)
            out[0], outlen[0] = ctypes.addressof(held), len(protocol)
        return int(code)

    _set_alpn_cb(ctx, _keep(_ALPN, call), None)


# -- connections -----------------------------------------------------------------------------------

SSL_new = _bind(ssl, "SSL_new", P, P)
SSL_free = _bind(ssl, "SSL_free", None, P)
SSL_clear = _bind(ssl, "SSL_clear", N, P)
SSL_set_connect_state = _bind(ssl, "SSL_set_connect_state", None, P)
SSL_set_accept_state = _bind(ssl, "SSL_set_accept_state", None, P)
SSL_is_server = _bind(ssl, "SSL_is_server", N, P)
SSL_set_bio = _bind(ssl, "SSL_set_bio", None, P, P, P)
SSL_set0_rbio = _bind(ssl, "SSL_set0_rbio", None, P, P)
SSL_set0_wbio = _bind(ssl, "SSL_set0_wbio", None, P, P)
SSL_get_rbio = _bind(ssl, "SSL_get_rbio", P, P)
SSL_get_wbio = _bind(ssl, "SSL_get_wbio", P, P)
SSL_set_fd = _bind(ssl, "SSL_set_fd", N, P, N)
SSL_set_rfd = _bind(ssl, "SSL_set_rfd", N, P, N)
SSL_set_wfd = _bind(ssl, "SSL_set_wfd", N, P, N)
SSL_get_fd = _bind(ssl, "SSL_get_fd", N, P)
SSL_get_rfd = _bind(ssl, "SSL_get_rfd", N, P)
SSL_get_wfd = _bind(ssl, "SSL_get_wfd", N, P)
SSL_do_handshake = _bind(ssl, "SSL_do_handshake", N, P)
SSL_connect = _bind(ssl, "SSL_connect", N, P)
SSL_accept = _bind(ssl, "SSL_accept", N, P)
SSL_pending = _bind(ssl, "SSL_pending", N, P)
SSL_has_pending = _bind(ssl, "SSL_has_pending", N, P)
SSL_shutdown = _bind(ssl, "SSL_shutdown", N, P)
SSL_get_shutdown = _bind(ssl, "SSL_get_shutdown", N, P)
SSL_set_shutdown = _bind(ssl, "SSL_set_shutdown", None, P, N)
SSL_key_update = _bind(ssl, "SSL_key_update", N, P, N)
SSL_CTX_set_post_handshake_auth = _bind(ssl, "SSL_CTX_set_post_handshake_auth", None, P, N)
SSL_verify_client_post_handshake = _bind(ssl, "SSL_verify_client_post_handshake", N, P)
SSL_get_key_update_type = _bind(ssl, "SSL_get_key_update_type", N, P)
SSL_get_error = _bind(ssl, "SSL_get_error", N, P, N)
SSL_want = _bind(ssl, "SSL_want", N, P)
SSL_in_init = _bind(ssl, "SSL_in_init", N, P)
SSL_in_before = _bind(ssl, "SSL_in_before", N, P)
SSL_is_init_finished = _bind(ssl, "SSL_is_init_finished", N, P)
SSL_get_state = _bind(ssl, "SSL_get_state", N, P)
SSL_version = _bind(ssl, "SSL_version", N, P)
SSL_get_verify_result = _bind(ssl, "SSL_get_verify_result", L, P)
SSL_session_reused = _bind(ssl, "SSL_session_reused", N, P)
SSL_get1_session = _bind(ssl, "SSL_get1_session", P, P)
SSL_set_session = _bind(ssl, "SSL_set_session", N, P, P)
SSL_SESSION_free = _bind(ssl, "SSL_SESSION_free", None, P)
SSL_SESSION_is_resumable = _bind(ssl, "SSL_SESSION_is_resumable", N, P)
SSL_SESSION_has_ticket = _bind(ssl, "SSL_SESSION_has_ticket", N, P)
SSL_SESSION_get_ticket_lifetime_hint = _bind(ssl, "SSL_SESSION_get_ticket_lifetime_hint", U, P)
SSL_SESSION_get_timeout = _bind(ssl, "SSL_SESSION_get_timeout", L, P)
SSL_SESSION_get_protocol_version = _bind(ssl, "SSL_SESSION_get_protocol_version", N, P)
SSL_SESSION_get_max_early_data = _bind(ssl, "SSL_SESSION_get_max_early_data", c_uint, P)
SSL_get0_session = _bind(ssl, "SSL_get_session", P, P)
SSL_CTX_set_max_early_data = _bind(ssl, "SSL_CTX_set_max_early_data", N, P, c_uint)
SSL_get_early_data_status = _bind(ssl, "SSL_get_early_data_status", N, P)
_write_early = _bind(ssl, "SSL_write_early_data", N, P, P, Z, POINTER(Z))
_read_early = _bind(ssl, "SSL_read_early_data", N, P, P, Z, POINTER(Z))
_session_host = _bind(ssl, "SSL_SESSION_get0_hostname", S, P)
_session_alpn = _bind(ssl, "SSL_SESSION_get0_alpn_selected", None, P, POINTER(P), POINTER(Z))
_session_cipher = _bind(ssl, "SSL_SESSION_get0_cipher", P, P)
SSL_get_current_cipher = _bind(ssl, "SSL_get_current_cipher", P, P)
SSL_set_quiet_shutdown = _bind(ssl, "SSL_set_quiet_shutdown", None, P, N)
_ssl_ctrl = _bind(ssl, "SSL_ctrl", L, P, N, L, P)
_ssl_read = _bind(ssl, "SSL_read", N, P, P, N)
_ssl_peek = _bind(ssl, "SSL_peek", N, P, P, N)
_ssl_write = _bind(ssl, "SSL_write", N, P, P, N)
_ssl_read_ex = _bind(ssl, "SSL_read_ex", N, P, P, Z, POINTER(Z))
_ssl_peek_ex = _bind(ssl, "SSL_peek_ex", N, P, P, Z, POINTER(Z))
_ssl_write_ex = _bind(ssl, "SSL_write_ex", N, P, P, Z, POINTER(Z))
_state_string = _bind(ssl, "SSL_state_string", S, P)
_state_string_long = _bind(ssl, "SSL_state_string_long", S, P)
_get_version = _bind(ssl, "SSL_get_version", S, P)
_cipher_name = _bind(ssl, "SSL_CIPHER_get_name", S, P)
_get_alpn = _bind(ssl, "SSL_get0_alpn_selected", None, P, POINTER(P), POINTER(c_uint))
_servername = _bind(ssl, "SSL_get_servername", S, P, N)
_set1_host = _bind(ssl, "SSL_set1_host", N, P, S)
_get_finished = _bind(ssl, "SSL_get_finished", Z, P, P, Z)
_get_peer_finished = _bind(ssl, "SSL_get_peer_finished", Z, P, P, Z)
_export = _bind(ssl, "SSL_export_keying_material", N, P, P, Z, S, Z, S, Z, N)
_peer_certificate = _bind(ssl, "SSL_get1_peer_certificate", P, P)
_x509_free = _bind(crypto, "X509_free", None, P)
_i2d_x509 = _bind(crypto, "i2d_X509", N, P, POINTER(P))
_peer_chain = _bind(ssl, "SSL_get_peer_cert_chain", P, P)
_stack_size = _bind(crypto, "OPENSSL_sk_num", N, P)
X509_STORE_CTX_get_error = _bind(crypto, "X509_STORE_CTX_get_error", N, P)
X509_STORE_CTX_get_error_depth = _bind(crypto, "X509_STORE_CTX_get_error_depth", N, P)
X509_STORE_CTX_set_error = _bind(crypto, "X509_STORE_CTX_set_error", None, P, N)
X509_STORE_CTX_get_ex_data = _bind(crypto, "X509_STORE_CTX_get_ex_data", P, P, N)
X509_verify_cert = _bind(crypto, "X509_verify_cert", N, P)
SSL_get_ex_data_X509_STORE_CTX_idx = _bind(ssl, "SSL_get_ex_data_X509_STORE_CTX_idx", N)


def SSL_set_retry_verify(s: int) -> int:
    return int(_ssl_ctrl(s, 136, 0, None))


def SSL_set_mode(s: int, mode: int) -> int:
    return int(_ssl_ctrl(s, 33, mode, None))


def SSL_clear_mode(s: int, mode: int) -> int:
    return int(_ssl_ctrl(s, 78, mode, None))


def SSL_set_tlsext_host_name(s: int, name: str) -> int:
    return int(_ssl_ctrl(s, 55, 0, c_char_p(name.encode())))


def SSL_set1_host(s: int, name: str) -> int:
    return int(_set1_host(s, name.encode()))


def SSL_read(s: int, buf: bytearray, num: int) -> int:
    return int(_ssl_read(s, pointer(buf) if buf else None, num))


def SSL_peek(s: int, buf: bytearray, num: int) -> int:
    return int(_ssl_peek(s, pointer(buf) if buf else None, num))


def SSL_write(s: int, buf: bytes, num: int) -> int:
    return int(_ssl_write(s, pointer(buf), num))


def SSL_read_ex(s: int, buf: bytearray, num: int) -> tuple[int, int]:
    size = Z()
    ret = _ssl_read_ex(s, pointer(buf), num, byref(size))
    return ret, size.value if ret else 0


def SSL_peek_ex(s: int, buf: bytearray, num: int) -> tuple[int, int]:
    size = Z()
    ret = _ssl_peek_ex(s, pointer(buf), num, byref(size))
    return ret, size.value if ret else 0


def SSL_write_ex(s: int, buf: bytes, num: int) -> tuple[int, int]:
    size = Z()
    ret = _ssl_write_ex(s, pointer(buf), num, byref(size))
    return ret, size.value if ret else 0


def SSL_write_early_data(s: int, buf: bytes, num: int) -> tuple[int, int]:
    size = Z()
    ret = _write_early(s, pointer(buf), num, byref(size))
    return ret, size.value if ret else 0


def SSL_read_early_data(s: int, buf: bytearray, num: int) -> tuple[int, int]:
    size = Z()
    ret = _read_early(s, pointer(buf), num, byref(size))
    return ret, size.value if ret == 1 else 0


def SSL_SESSION_get0_hostname(session: int) -> str | None:
    name = _session_host(session)
    return name.decode() if name is not None else None


def SSL_SESSION_get0_alpn_selected(session: int) -> bytes:
    data, size = P(), Z()
    _session_alpn(session, byref(data), byref(size))
    return ctypes.string_at(data, size.value) if data.value else b""


def SSL_SESSION_get0_cipher(session: int) -> int | None:
    return _session_cipher(session)  # type: ignore[no-any-return]


def SSL_state_string(s: int) -> str:
    return str(_state_string(s).decode())


def SSL_state_string_long(s: int) -> str:
    return str(_state_string_long(s).decode())


def SSL_get_version(s: int) -> str:
    return str(_get_version(s).decode())


def SSL_CIPHER_get_name(cipher: int | None) -> str:
    return str(_cipher_name(cipher).decode())


def SSL_get0_alpn_selected(s: int) -> bytes:
    data, size = P(), c_uint()
    _get_alpn(s, byref(data), byref(size))
    return ctypes.string_at(data, size.value) if data.value else b""


def SSL_get_servername(s: int, kind: int) -> str | None:
    name = _servername(s, kind)
    return name.decode() if name is not None else None


def SSL_get_finished(s: int, buf: bytearray, count: int) -> int:
    return int(_get_finished(s, pointer(buf), count))


def SSL_get_peer_finished(s: int, buf: bytearray, count: int) -> int:
    return int(_get_peer_finished(s, pointer(buf), count))


def SSL_export_keying_material(
    s: int, out: bytearray, olen: int, label: str, llen: int, context: bytes, clen: int, use: int
) -> int:
    return int(_export(s, pointer(out), olen, label.encode(), llen, context, clen, use))


def peer_certificate_der(s: int) -> bytes | None:
    """The peer's certificate; aiotls.openssl returns one of cryptography's."""
    certificate = _peer_certificate(s)
    if not certificate:
        return None
    size = _i2d_x509(certificate, None)
    buffer = ctypes.create_string_buffer(size)
    position = P(ctypes.addressof(buffer))
    _i2d_x509(certificate, byref(position))
    _x509_free(certificate)
    return buffer.raw


def peer_chain_length(s: int) -> int:
    chain = _peer_chain(s)
    return int(_stack_size(chain)) if chain else -1


_ssl_chain_file = _bind(ssl, "SSL_use_certificate_chain_file", N, P, S)
_ssl_key_file = _bind(ssl, "SSL_use_PrivateKey_file", N, P, S, N)


def SSL_use_certificate_chain_file(s: int, file: str) -> int:
    return int(_ssl_chain_file(s, _path(file)))


def SSL_use_PrivateKey_file(s: int, file: str, filetype: int) -> int:
    return int(_ssl_key_file(s, _path(file), filetype))


# -- sessions as bytes -----------------------------------------------------------------------------

_i2d_session = _bind(ssl, "i2d_SSL_SESSION", N, P, POINTER(P))
_d2i_session = _bind(ssl, "d2i_SSL_SESSION", P, POINTER(P), POINTER(P), L)
_pem_write_session = _bind(ssl, "PEM_write_bio_SSL_SESSION", N, P, P)
_pem_read_session = _bind(ssl, "PEM_read_bio_SSL_SESSION", P, P, P, P, P)


def i2d_SSL_SESSION(session: int) -> tuple[int, bytes]:
    size = int(_i2d_session(session, None))
    buffer = ctypes.create_string_buffer(size)
    position = P(ctypes.addressof(buffer))
    _i2d_session(session, byref(position))
    return size, buffer.raw


def d2i_SSL_SESSION(a: None, pp: bytes, length: int) -> tuple[int | None, int]:
    start = pointer(pp)
    position = P(start)
    session = _d2i_session(None, byref(position), length)
    return session, (position.value or 0) - start if session else 0


def PEM_write_bio_SSL_SESSION(bp: int, session: int) -> int:
    return int(_pem_write_session(bp, session))


def PEM_read_bio_SSL_SESSION(bp: int) -> Any:
    return _pem_read_session(bp, None, None, None)


def SSL_CTX_set_max_send_fragment(ctx: int, size: int) -> int:
    return int(_ctx_ctrl(ctx, 52, size, None))


_peer_authorities = _bind(ssl, "SSL_get0_peer_CA_list", P, P)
_stack_number = _bind(crypto, "OPENSSL_sk_num", N, P)
_stack_value = _bind(crypto, "OPENSSL_sk_value", P, P, N)
_encode_name = _bind(crypto, "i2d_X509_NAME", N, P, P)


def SSL_get0_peer_CA_list(s: int) -> list[bytes] | None:
    """The names, in DER."""
    stack = _peer_authorities(s)
    if not stack:
        return None
    found = []
    for number in range(_stack_number(stack)):
        name = _stack_value(stack, number)
        size = _encode_name(name, None)
        buffer = ctypes.create_string_buffer(size)
        _encode_name(name, ctypes.byref(ctypes.c_void_p(ctypes.addressof(buffer))))
        found.append(buffer.raw)
    return found
