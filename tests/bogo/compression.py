"""The runner's own ways of compressing a certificate, put among those of aiotls.

Code points for private use, each of which only the runner knows: they show how the messages of
RFC 8879 are handled, whatever the algorithm.
"""

from __future__ import annotations

import os
from typing import Any

from aiotls import compression
from aiotls.config import base
from aiotls.enums import CertificateCompressionAlgorithm
from aiotls.handshake import auth
from tests.bogo.flags import Unimplemented

SHRINKING, EXPANDING, RANDOM = 0xFF01, 0xFF02, 0xFF03

_SHRUNK = b"\0\0"
"""What every Certificate message of TLS 1.3 begins with here: no context, and a short length."""

_EXPANDED = b"\1\2\3\4"


def _shrink(data: bytes) -> bytes:
    if not data.startswith(_SHRUNK):
        raise RuntimeError("the certificate does not begin as the runner expects")
    return data.removeprefix(_SHRUNK)


def _strip(data: bytes, limit: int) -> bytes:
    if not data.startswith(_EXPANDED):
        raise ValueError("the prefix is missing")
    return data.removeprefix(_EXPANDED)


_NAMES = {SHRINKING: "SHRINKING", EXPANDING: "EXPANDING", RANDOM: "RANDOM"}
_COMPRESS = {
    SHRINKING: _shrink,
    EXPANDING: lambda data: _EXPANDED + data,
    RANDOM: lambda data: os.urandom(1) + data,
}
_DECOMPRESS = {
    SHRINKING: lambda data, limit: _SHRUNK + data,
    EXPANDING: _strip,
    RANDOM: lambda data, limit: data[1:],
}


def install(*codes: int) -> tuple[CertificateCompressionAlgorithm, ...]:
    """Puts algorithms into the tables of this process, which runs one case; what to configure."""
    members = []
    for code in codes:
        if code not in _NAMES:
            raise Unimplemented(f"the certificate compression algorithm {code:#06x}")
        member = int.__new__(CertificateCompressionAlgorithm, code)
        member._name_, member._value_ = _NAMES[code], code
        CertificateCompressionAlgorithm._value2member_map_[code] = member
        compression.COMPRESS[code] = _COMPRESS[code]
        compression.DECOMPRESS[code] = _DECOMPRESS[code]
        members.append(member)
    auth.WORTHWHILE = 0  # here any certificate is long enough
    module: Any = base
    module.ALGORITHMS = (*module.ALGORITHMS, *members)
    return tuple(members)
