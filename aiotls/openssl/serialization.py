"""Sessions as bytes: d2i_SSL_SESSION(3), PEM_write_bio_SSL_SESSION(3).

The form is libssl's own, so that a session which one of the two has written is resumed by the
other. It holds the peer's certificate without its issuers, and times in whole seconds.
"""

from __future__ import annotations

import base64
import binascii
import re
import time
from collections.abc import Iterator

from ..errors import CertificateError
from ..handshake.auth import Peer
from ..sessions import Session
from ..trust import parse_certificate
from .arguments import check_bio, input_view
from .bio import BIO_gets, BIO_write
from .bio_kinds import BIO, Readable
from .errors import ERR_LIB_ASN1, ERR_LIB_PEM, ERR_R_NESTED_ASN1_ERROR, ERR_raise, raise_ssl
from .reasons import (
    SSL_R_BAD_LENGTH,
    SSL_R_CIPHER_CODE_WRONG_LENGTH,
    SSL_R_UNKNOWN_SSL_VERSION,
    SSL_R_UNSUPPORTED_SSL_VERSION,
)
from .sessions import SSL_SESSION, check_session

_FORM = 1
_INTEGER, _OCTETS, _SEQUENCE = 0x02, 0x04, 0x30
_TIME, _TIMEOUT, _PEER, _ID_CONTEXT, _VERIFY_RESULT, _HOST_NAME = 1, 2, 3, 4, 5, 6
_LIFETIME_HINT, _TICKET, _FLAGS, _AGE_ADD, _EARLY_DATA, _ALPN, _APPDATA = 9, 10, 13, 14, 15, 16, 18
_LAST_FIELD = 19
_EXTENDED_MASTER_SECRET = 1
_MAX_ID, _MAX_KEY = 32, 256
_LIMIT = 1 << 20
"""Bytes of a session's PEM that are read."""

ASN1_R_NOT_ENOUGH_DATA = 142
ASN1_R_WRONG_TAG = 168
PEM_R_BAD_BASE64_DECODE = 100
PEM_R_NO_START_LINE = 108
PEM_STRING_SSL_SESSION = "SSL SESSION PARAMETERS"


# -- writing ---------------------------------------------------------------------------------------


def _tagged(tag: int, content: bytes) -> bytes:
    size = len(content)
    if size < 128:
        return bytes([tag, size]) + content
    length = size.to_bytes((size.bit_length() + 7) // 8, "big")
    return bytes([tag, 0x80 | len(length)]) + length + content


def _number(value: int) -> bytes:
    return _tagged(_INTEGER, value.to_bytes(value.bit_length() // 8 + 1, "big", signed=True))


def _octets(content: bytes) -> bytes:
    return _tagged(_OCTETS, content)


def i2d_SSL_SESSION(session: SSL_SESSION) -> tuple[int, bytes]:
    """``(length, der)``; ``(0, b"")`` of one that has no secret yet."""
    kept = check_session(session).session
    if kept is None:
        return 0, b""
    fields: list[tuple[int, bytes]] = [
        (_TIME, _number(int(kept.created))),
        (_TIMEOUT, _number(int(kept.ends - kept.created))),
    ]
    peer = session.peer
    leaf = peer.chain[0] if peer is not None and peer.chain else next(iter(kept.chain), None)
    if leaf is not None:
        fields.append((_PEER, leaf))
    fields.append((_ID_CONTEXT, _octets(session.id_context)))
    for tag, number in (
        (_VERIFY_RESULT, session.verify_result),
        (_LIFETIME_HINT, kept.lifetime if kept.ticket else 0),
        (_FLAGS, int(kept.extended_master_secret and kept.version < 0x0304)),
        (_AGE_ADD, kept.age_add),
        (_EARLY_DATA, kept.max_early_data),
    ):
        if number:
            fields.append((tag, _number(number)))
    for tag, content in (
        (_HOST_NAME, (kept.server_name or "").encode()),
        (_TICKET, kept.ticket),
        (_ALPN, kept.alpn or b""),
        (_APPDATA, session.ticket_appdata),
    ):
        if content:
            fields.append((tag, _octets(content)))
    der = _tagged(
        _SEQUENCE,
        b"".join(
            (
                _number(_FORM),
                _number(kept.version),
                _octets(kept.suite.to_bytes(2, "big")),
                _octets(session.id),
                _octets(kept.secret),
                *(_tagged(0xA0 | tag, content) for tag, content in sorted(fields)),
            )
        ),
    )
    return len(der), der


# -- reading ---------------------------------------------------------------------------------------


class _Malformed(Exception):
    """What is no session; its argument is the reason."""


def _split(data: memoryview) -> tuple[int, memoryview, memoryview]:
    """Tag, content and rest of the first element."""
    if len(data) < 2:
        raise _Malformed(ASN1_R_NOT_ENOUGH_DATA)
    tag, size, start = data[0], data[1], 2
    if size & 0x80:
        start += size & 0x7F
        if not 1 <= size & 0x7F <= 4 or len(data) < start:
            raise _Malformed(ASN1_R_NOT_ENOUGH_DATA)
        size = int.from_bytes(data[2:start], "big")
    if len(data) < start + size:
        raise _Malformed(ASN1_R_NOT_ENOUGH_DATA)
    return tag, data[start : start + size], data[start + size :]


def _take(data: memoryview, expected: int) -> tuple[memoryview, memoryview]:
    tag, content, rest = _split(data)
    if tag != expected:
        raise _Malformed(ASN1_R_WRONG_TAG)
    return content, rest


def _only(data: memoryview, expected: int) -> bytes:
    content, rest = _take(data, expected)
    if rest:
        raise _Malformed(ASN1_R_WRONG_TAG)
    return bytes(content)


def _integer(content: bytes) -> int:
    if not 1 <= len(content) <= 9:
        raise _Malformed(ASN1_R_WRONG_TAG)
    return int.from_bytes(content, "big", signed=True)


def _fields(rest: memoryview) -> Iterator[tuple[int, memoryview]]:
    """The optional fields, each at most once and in their order."""
    last = 0
    while rest:
        tag, content, rest = _split(rest)
        number = tag - 0xA0
        if not last < number <= _LAST_FIELD:
            raise _Malformed(ASN1_R_WRONG_TAG)
        last = number
        yield number, content


def d2i_SSL_SESSION(a: None, pp: Readable, length: int) -> tuple[SSL_SESSION | None, int]:
    """``(session, consumed)`` from the first *length* bytes; ``(None, 0)`` for what is none.

    *a* is None: a session is always made anew.
    """
    if a is not None:
        raise TypeError("a is None here: no session is written over")
    data = input_view(pp, length)
    try:
        content, behind = _take(data, _SEQUENCE)
        session = _read(content)
    except _Malformed as error:
        ERR_raise(ERR_LIB_ASN1, error.args[0])
        ERR_raise(ERR_LIB_ASN1, ERR_R_NESTED_ASN1_ERROR)
        return None, 0
    return (session, length - len(behind)) if session is not None else (None, 0)


def _read(content: memoryview) -> SSL_SESSION | None:
    form, rest = _take(content, _INTEGER)
    number, rest = _take(rest, _INTEGER)
    suite, rest = _take(rest, _OCTETS)
    identifier, rest = _take(rest, _OCTETS)
    secret, rest = _take(rest, _OCTETS)
    fields = dict(_fields(rest))
    version = _integer(bytes(number))
    reason = 0
    if _integer(bytes(form)) != _FORM:
        reason = SSL_R_UNKNOWN_SSL_VERSION
    elif version >> 8 != 3:
        reason = SSL_R_UNSUPPORTED_SSL_VERSION
    elif len(suite) != 2:
        reason = SSL_R_CIPHER_CODE_WRONG_LENGTH
    elif len(identifier) > _MAX_ID or len(secret) > _MAX_KEY:
        reason = SSL_R_BAD_LENGTH

    def number_of(tag: int, default: int = 0) -> int:
        return _integer(_only(fields[tag], _INTEGER)) if tag in fields else default

    def octets_of(tag: int) -> bytes:
        return _only(fields[tag], _OCTETS) if tag in fields else b""

    leaf = bytes(fields[_PEER]) if _PEER in fields else None
    context = octets_of(_ID_CONTEXT)
    if len(context) > _MAX_ID:
        reason = reason or SSL_R_BAD_LENGTH
    if leaf is not None:
        _check_certificate(leaf)
    try:
        name = octets_of(_HOST_NAME).decode("ascii")
    except UnicodeDecodeError:
        raise _Malformed(ASN1_R_WRONG_TAG) from None
    lifetime = max(0, number_of(_TIMEOUT, 3))
    hint = number_of(_LIFETIME_HINT)
    ticket = octets_of(_TICKET)
    session = SSL_SESSION(
        Session(
            version=version,
            suite=int.from_bytes(suite, "big"),
            secret=bytes(secret),
            created=float(max(0, number_of(_TIME) or int(time.time()))),
            lifetime=min(lifetime, hint) if hint > 0 else lifetime,
            age_add=number_of(_AGE_ADD) & 0xFFFFFFFF,
            max_early_data=number_of(_EARLY_DATA) & 0xFFFFFFFF,
            alpn=octets_of(_ALPN) or None,
            server_name=name or None,
            extended_master_secret=version >= 0x0304
            or bool(number_of(_FLAGS) & _EXTENDED_MASTER_SECRET),
            chain=(leaf,) if leaf is not None else (),
            ticket=ticket,
            session_id=b"" if ticket else bytes(identifier),
            peer=Peer((leaf,), name or None) if leaf is not None else None,
        )
    )
    session.id = bytes(identifier)
    session.id_context = context
    session.verify_result = number_of(_VERIFY_RESULT)
    session.ticket_appdata = octets_of(_APPDATA)
    if reason:
        raise_ssl(reason)
        return None
    return session


def _check_certificate(der: bytes) -> None:
    try:
        parse_certificate(der)
    except CertificateError:
        raise _Malformed(ASN1_R_WRONG_TAG) from None


# -- PEM -------------------------------------------------------------------------------------------


def PEM_write_bio_SSL_SESSION(bp: BIO, session: SSL_SESSION) -> int:
    """Writes it between ``-----BEGIN SSL SESSION PARAMETERS-----`` and its END: 1, or 0."""
    check_bio(bp)
    size, der = i2d_SSL_SESSION(session)
    if not size:
        return 0
    encoded = base64.b64encode(der).decode()
    lines = [encoded[start : start + 64] for start in range(0, len(encoded), 64)]
    name = PEM_STRING_SSL_SESSION
    text = "\n".join((f"-----BEGIN {name}-----", *lines, f"-----END {name}-----", "")).encode()
    return int(BIO_write(bp, text, len(text)) == len(text))


def PEM_read_bio_SSL_SESSION(
    bp: BIO, x: None = None, cb: object = None, u: object = None
) -> SSL_SESSION | None:
    """Reads one, which may stand behind other text; None where there is none. It has no password:
    *cb* and *u* are not looked at.
    """
    check_bio(bp)
    body: list[bytes] | None = None
    line, size = bytearray(256), 0
    while (got := BIO_gets(bp, line, len(line))) > 0 and (size := size + got) < _LIMIT:
        text = bytes(line[:got]).strip()
        if body is None:
            if text == f"-----BEGIN {PEM_STRING_SSL_SESSION}-----".encode():
                body = []
        elif text == f"-----END {PEM_STRING_SSL_SESSION}-----".encode():
            return _decode(b"".join(body))
        else:
            body.append(text)
    ERR_raise(ERR_LIB_PEM, PEM_R_NO_START_LINE)
    return None


def _decode(body: bytes) -> SSL_SESSION | None:
    try:
        if not re.fullmatch(rb"[A-Za-z0-9+/]*={0,2}", body):
            raise binascii.Error
        der = base64.b64decode(body, validate=True)
    except binascii.Error:
        ERR_raise(ERR_LIB_PEM, PEM_R_BAD_BASE64_DECODE)
        return None
    return d2i_SSL_SESSION(None, der, len(der))[0]
