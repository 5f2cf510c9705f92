"""The system's libssl and libcrypto by ctypes, called as aiotls.openssl is called.

Pointers are integers, None is NULL. Where C hands a value back through a pointer, the function
here returns a tuple, code first, as those of aiotls.openssl do: a script of calls runs on either.
"""

from __future__ import annotations

import ctypes
from ctypes import (
    POINTER,
    byref,
    c_char_p,
    c_int,
    c_long,
    c_size_t,
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
