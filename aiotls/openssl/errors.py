"""The error queue: ERR_get_error(3), ERR_error_string(3), ERR_put_error(3), ERR_set_mark(3).

Each thread has a queue of its own, which keeps the last fifteen errors. An error is one number:
the library that found it and the reason, or a number of the operating system's. Calls leave errors
here and say by their return value that they did; SSL_get_error() looks here first.
"""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Callable
from dataclasses import dataclass, field

from .reasons import BIO_TEXTS, SSL_AD_REASON_OFFSET, SSL_TEXTS

ERR_LIB_NONE = 1
ERR_LIB_SYS = 2
ERR_LIB_BN = 3
ERR_LIB_RSA = 4
ERR_LIB_DH = 5
ERR_LIB_EVP = 6
ERR_LIB_BUF = 7
ERR_LIB_OBJ = 8
ERR_LIB_PEM = 9
ERR_LIB_DSA = 10
ERR_LIB_X509 = 11
ERR_LIB_ASN1 = 13
ERR_LIB_CONF = 14
ERR_LIB_CRYPTO = 15
ERR_LIB_EC = 16
ERR_LIB_SSL = 20
ERR_LIB_BIO = 32
ERR_LIB_X509V3 = 34
ERR_LIB_USER = 128

ERR_RFLAG_FATAL = 0x1 << 18
ERR_RFLAG_COMMON = 0x2 << 18
ERR_R_FATAL = ERR_RFLAG_FATAL | ERR_RFLAG_COMMON
ERR_R_SYS_LIB = ERR_LIB_SYS | ERR_RFLAG_COMMON
ERR_R_BUF_LIB = ERR_LIB_BUF | ERR_RFLAG_COMMON
ERR_R_PEM_LIB = ERR_LIB_PEM | ERR_RFLAG_COMMON
ERR_R_X509_LIB = ERR_LIB_X509 | ERR_RFLAG_COMMON
ERR_R_ASN1_LIB = ERR_LIB_ASN1 | ERR_RFLAG_COMMON
ERR_R_EVP_LIB = ERR_LIB_EVP | ERR_RFLAG_COMMON
ERR_R_SSL_LIB = ERR_LIB_SSL | ERR_RFLAG_COMMON
ERR_R_BIO_LIB = ERR_LIB_BIO | ERR_RFLAG_COMMON
ERR_R_MALLOC_FAILURE = 256 | ERR_R_FATAL
ERR_R_SHOULD_NOT_HAVE_BEEN_CALLED = 257 | ERR_R_FATAL
ERR_R_PASSED_NULL_PARAMETER = 258 | ERR_R_FATAL
ERR_R_INTERNAL_ERROR = 259 | ERR_R_FATAL
ERR_R_DISABLED = 260 | ERR_R_FATAL
ERR_R_INIT_FAIL = 261 | ERR_R_FATAL
ERR_R_PASSED_INVALID_ARGUMENT = 262 | ERR_RFLAG_COMMON
ERR_R_OPERATION_FAIL = 263 | ERR_R_FATAL
ERR_R_UNSUPPORTED = 268 | ERR_RFLAG_COMMON
ERR_R_NESTED_ASN1_ERROR = 272 | ERR_RFLAG_COMMON

ERR_TXT_MALLOCED = 0x01
ERR_TXT_STRING = 0x02

_SYSTEM_FLAG = 1 << 31
_QUEUE_SIZE = 15

_LIBRARIES = {
    ERR_LIB_NONE: "unknown library",
    ERR_LIB_SYS: "system library",
    ERR_LIB_BN: "bignum routines",
    ERR_LIB_RSA: "rsa routines",
    ERR_LIB_DH: "Diffie-Hellman routines",
    ERR_LIB_EVP: "digital envelope routines",
    ERR_LIB_BUF: "memory buffer routines",
    ERR_LIB_OBJ: "object identifier routines",
    ERR_LIB_PEM: "PEM routines",
    ERR_LIB_DSA: "dsa routines",
    ERR_LIB_X509: "x509 certificate routines",
    ERR_LIB_ASN1: "asn1 encoding routines",
    ERR_LIB_CONF: "configuration file routines",
    ERR_LIB_CRYPTO: "common libcrypto routines",
    ERR_LIB_EC: "elliptic curve routines",
    ERR_LIB_SSL: "SSL routines",
    ERR_LIB_BIO: "BIO routines",
    ERR_LIB_X509V3: "X509 V3 routines",
}

_COMMON_TEXTS = {
    ERR_R_SYS_LIB: "system lib",
    ERR_R_BUF_LIB: "BUF lib",
    ERR_R_PEM_LIB: "PEM lib",
    ERR_R_X509_LIB: "X509 lib",
    ERR_R_ASN1_LIB: "ASN1 lib",
    ERR_R_EVP_LIB: "EVP lib",
    ERR_R_BIO_LIB: "BIO lib",
    ERR_R_MALLOC_FAILURE: "malloc failure",
    ERR_R_SHOULD_NOT_HAVE_BEEN_CALLED: "called a function you should not call",
    ERR_R_PASSED_NULL_PARAMETER: "passed a null parameter",
    ERR_R_INTERNAL_ERROR: "internal error",
    ERR_R_DISABLED: "called a function that was disabled at compile-time",
    ERR_R_INIT_FAIL: "init fail",
    ERR_R_PASSED_INVALID_ARGUMENT: "passed invalid argument",
    ERR_R_OPERATION_FAIL: "operation fail",
    ERR_R_UNSUPPORTED: "unsupported",
}

_X509_TEXTS = {116: "key values mismatch", 117: "unknown key type", 100: "bad x509 filetype"}
_PEM_TEXTS = {108: "no start line", 104: "bad password read", 102: "bad end line"}
_TEXTS: dict[int, dict[int, str]] = {
    ERR_LIB_SSL: SSL_TEXTS,
    ERR_LIB_BIO: BIO_TEXTS,
    ERR_LIB_X509: _X509_TEXTS,
    ERR_LIB_PEM: _PEM_TEXTS,
}


@dataclass(slots=True)
class _Entry:
    code: int
    file: str = ""
    line: int = 0
    function: str = ""
    data: str | None = None
    marks: int = 0


@dataclass(slots=True)
class _State:
    entries: list[_Entry] = field(default_factory=list)
    errno: int = 0


class _Threads(threading.local):
    def __init__(self) -> None:
        self.state = _State()


_threads = _Threads()


# -- numbers ---------------------------------------------------------------------------------------


def ERR_PACK(lib: int, func: int, reason: int) -> int:
    """The number of an error. *func* is not looked at, as in OpenSSL 3."""
    return (lib & 0xFF) << 23 | reason & 0x7FFFFF


def ERR_SYSTEM_ERROR(code: int) -> bool:
    """Whether the error is the operating system's."""
    return bool(code & _SYSTEM_FLAG)


def ERR_GET_LIB(code: int) -> int:
    """Which library found the error: ``ERR_LIB_…``."""
    return ERR_LIB_SYS if code & _SYSTEM_FLAG else code >> 23 & 0xFF


def ERR_GET_REASON(code: int) -> int:
    """Why: ``SSL_R_…``, ``BIO_R_…``, ``ERR_R_…``, or errno where the system reported it."""
    return code & 0x7FFFFFFF if code & _SYSTEM_FLAG else code & 0x7FFFFF


def ERR_GET_RFLAGS(code: int) -> int:
    """The flags within the reason."""
    return 0 if code & _SYSTEM_FLAG else code & 0x1F << 18


def ERR_FATAL_ERROR(code: int) -> bool:
    """Whether the reason is marked as fatal."""
    return bool(ERR_GET_RFLAGS(code) & ERR_RFLAG_FATAL)


def ERR_COMMON_ERROR(code: int) -> bool:
    """Whether the reason is one that all libraries share."""
    return bool(ERR_GET_RFLAGS(code) & ERR_RFLAG_COMMON)


# -- putting errors in -----------------------------------------------------------------------------


def ERR_raise(lib: int, reason: int) -> None:
    """Puts an error into the queue; the oldest goes when it is full."""
    _put(lib, reason, None)


def ERR_raise_data(lib: int, reason: int, data: str) -> None:
    """The same, with a text that tells more."""
    _put(lib, reason, data)


def ERR_put_error(lib: int, func: int, reason: int, file: str, line: int) -> None:
    """The same, with the place; *func* is not looked at."""
    entry = _put(lib, reason, None)
    entry.file, entry.line, entry.function = file, line, ""


def _put(lib: int, reason: int, data: str | None) -> _Entry:
    code = _SYSTEM_FLAG | reason if lib == ERR_LIB_SYS else ERR_PACK(lib, 0, reason)
    frame = sys._getframe(2)
    entry = _Entry(code, frame.f_code.co_filename, frame.f_lineno, frame.f_code.co_name, data)
    entries = _threads.state.entries
    entries.append(entry)
    del entries[:-_QUEUE_SIZE]
    return entry


# -- taking them out -------------------------------------------------------------------------------


def ERR_get_error() -> int:
    """The oldest error, removed; 0 where there is none."""
    entries = _threads.state.entries
    return entries.pop(0).code if entries else 0


def ERR_peek_error() -> int:
    """The oldest error, which stays."""
    entries = _threads.state.entries
    return entries[0].code if entries else 0


def ERR_peek_last_error() -> int:
    """The newest error, which stays."""
    entries = _threads.state.entries
    return entries[-1].code if entries else 0


ErrorDetails = tuple[int, str, int, str, str, int]
"""The number, file, line, function, data and the flags of the data."""


def ERR_get_error_all() -> ErrorDetails:
    """The oldest error, removed: ``(code, file, line, func, data, flags)``."""
    entries = _threads.state.entries
    return _details(entries.pop(0) if entries else None)


def ERR_peek_error_all() -> ErrorDetails:
    """The oldest error, which stays: ``(code, file, line, func, data, flags)``."""
    entries = _threads.state.entries
    return _details(entries[0] if entries else None)


def ERR_peek_last_error_all() -> ErrorDetails:
    """The newest error, which stays: ``(code, file, line, func, data, flags)``."""
    entries = _threads.state.entries
    return _details(entries[-1] if entries else None)


def _details(entry: _Entry | None) -> ErrorDetails:
    if entry is None:
        return 0, "", 0, "", "", 0
    flags = 0 if entry.data is None else ERR_TXT_MALLOCED | ERR_TXT_STRING
    return entry.code, entry.file, entry.line, entry.function, entry.data or "", flags


def ERR_clear_error() -> None:
    """Empties this thread's queue."""
    _threads.state.entries.clear()


def ERR_set_mark() -> int:
    """Marks the newest error, for :func:`ERR_pop_to_mark`. 0 where the queue is empty."""
    entries = _threads.state.entries
    if not entries:
        return 0
    entries[-1].marks += 1
    return 1


def ERR_pop_to_mark() -> int:
    """Removes what is newer than the last mark, and the mark. 0 where there is none."""
    entries = _threads.state.entries
    while entries and not entries[-1].marks:
        entries.pop()
    if not entries:
        return 0
    entries[-1].marks -= 1
    return 1


def ERR_clear_last_mark() -> int:
    """Removes the last mark and no error. 0 where there is none."""
    for entry in reversed(_threads.state.entries):
        if entry.marks:
            entry.marks -= 1
            return 1
    return 0


# -- words -----------------------------------------------------------------------------------------


def ERR_lib_error_string(code: int) -> str | None:
    """The name of the library that found the error."""
    return _LIBRARIES.get(ERR_GET_LIB(code))


def ERR_func_error_string(code: int) -> str | None:
    """Always None: since OpenSSL 3 no function is named by a number."""
    return None


def ERR_reason_error_string(code: int) -> str | None:
    """The reason in words; None for those of the operating system's and for unknown ones."""
    if ERR_SYSTEM_ERROR(code):
        return None
    reason = ERR_GET_REASON(code)
    return _TEXTS.get(ERR_GET_LIB(code), {}).get(reason) or _COMMON_TEXTS.get(reason)


def ERR_error_string(code: int, buf: bytearray | memoryview | None = None) -> str:
    """The error in one line: ``error:0A000086:SSL routines::certificate verify failed``.

    With *buf*, of at least 256 bytes, it is also written there, with a zero at its end.
    """
    return ERR_error_string_n(code, buf, 256)


def ERR_error_string_n(code: int, buf: bytearray | memoryview | None, length: int) -> str:
    """The error in one line of at most *length* − 1 characters, also written to *buf*."""
    if length <= 0:
        return ""
    library = ERR_lib_error_string(code) or f"lib({ERR_GET_LIB(code)})"
    reason = ERR_GET_REASON(code)
    words = (
        os.strerror(reason) if ERR_SYSTEM_ERROR(code) else ERR_reason_error_string(code)
    ) or f"reason({reason})"
    text = f"error:{code:08X}:{library}::{words}"
    if len(text) >= length - 1:
        text = f"err:{code:x}:{ERR_GET_LIB(code):x}:0:{reason:x}"[: length - 1]
    if buf is not None:
        encoded = text.encode() + b"\0"
        view = memoryview(buf).cast("B")
        if view.readonly or len(view) < len(encoded):
            raise TypeError(f"a writable buffer of {len(encoded)} bytes is expected")
        view[: len(encoded)] = encoded
    return text


def ERR_print_errors_cb(callback: Callable[[str, int, object], int], user: object = None) -> None:
    """Gives each error in one line to ``callback(line, length, user)``, and removes it.

    Ends early where the callback returns 0 or less.
    """
    thread = f"{threading.get_ident():016X}"
    while _threads.state.entries:
        code, file, line, function, data, _ = ERR_get_error_all()
        words = ERR_error_string(code).replace("::", f":{function}:", 1)
        text = f"{thread}:{words}:{file}:{line}:{data}\n"
        if callback(text, len(text), user) <= 0:
            return


# -- what C finds in errno -------------------------------------------------------------------------


def get_errno() -> int:
    """What C finds in ``errno`` after a call that failed with SSL_ERROR_SYSCALL; 0 at an EOF."""
    return _threads.state.errno


def set_errno(number: int) -> None:
    """Sets what :func:`get_errno` returns, for this thread."""
    _threads.state.errno = number


def raise_ssl(reason: int, data: str | None = None) -> None:
    """Puts an error of ERR_LIB_SSL into the queue."""
    _put(ERR_LIB_SSL, reason, data)


def alert_reason(alert: int) -> int:
    """The reason that stands for a fatal alert that was received."""
    return SSL_AD_REASON_OFFSET + alert
