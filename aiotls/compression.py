"""Certificate compression: RFC 8879.

zlib is in the standard library; brotli and zstd are used where they are installed.
"""

from __future__ import annotations

import importlib
import sys
import zlib
from collections.abc import Callable, Sequence
from functools import lru_cache

from .enums import Alert, CertificateCompressionAlgorithm
from .errors import ProtocolError
from .wire.messages import Certificate, CompressedCertificate

_Algorithm = CertificateCompressionAlgorithm

ZSTD_WINDOW_LOG = 23
"""RFC 8878, section 3.1.1.1.2: decoders are to support windows of 8 MiB. A frame's header alone
can ask for far more, which the decoder would allocate before it has seen the first byte."""


def _zlib_decompress(data: bytes, limit: int) -> bytes:
    machine = zlib.decompressobj()
    output = machine.decompress(data, limit)
    if not machine.eof and len(output) < limit:
        raise ValueError("the data ends too early")
    return output


COMPRESS: dict[int, Callable[[bytes], bytes]] = {
    _Algorithm.ZLIB: lambda data: zlib.compress(data, 9)
}
DECOMPRESS: dict[int, Callable[[bytes, int], bytes]] = {_Algorithm.ZLIB: _zlib_decompress}
"""By algorithm; each takes a limit in bytes and never makes more than that."""

try:
    import brotli
except ImportError:  # an extra of the package
    pass
else:

    def _brotli_decompress(data: bytes, limit: int) -> bytes:
        machine = brotli.Decompressor()
        output: bytes = machine.process(data, output_buffer_limit=limit)
        return output

    COMPRESS[_Algorithm.BROTLI] = brotli.compress
    DECOMPRESS[_Algorithm.BROTLI] = _brotli_decompress

try:
    # in the standard library from Python 3.14 on, else an extra of the package
    zstd = importlib.import_module(
        "compression.zstd" if sys.version_info >= (3, 14) else "backports.zstd"
    )
except ImportError:
    pass
else:

    def _zstd_decompress(data: bytes, limit: int) -> bytes:
        options = {zstd.DecompressionParameter.window_log_max: ZSTD_WINDOW_LOG}
        output: bytes = zstd.ZstdDecompressor(options=options).decompress(data, limit)
        return output

    COMPRESS[_Algorithm.ZSTD] = zstd.compress
    DECOMPRESS[_Algorithm.ZSTD] = _zstd_decompress

ALGORITHMS: tuple[CertificateCompressionAlgorithm, ...] = tuple(
    algorithm
    for algorithm in (_Algorithm.BROTLI, _Algorithm.ZSTD, _Algorithm.ZLIB)
    if algorithm in DECOMPRESS
)
"""Those that are at hand, in order of preference."""


@lru_cache(maxsize=64)
def compress(algorithm: CertificateCompressionAlgorithm, body: bytes) -> CompressedCertificate:
    """The message in place of a Certificate with this *body* (section 4).

    The same few certificates are compressed over and over, so the results are kept.
    """
    return CompressedCertificate(algorithm, len(body), COMPRESS[algorithm](body))


def expand(
    message: CompressedCertificate,
    offered: Sequence[CertificateCompressionAlgorithm],
    limit: int,
) -> Certificate:
    """The Certificate in a compressed one, of at most *limit* bytes (section 4).

    Raises ProtocolError; what is longer than it says, or than the limit, is never unpacked.
    """
    algorithm = next((a for a in offered if a == message.algorithm), None)
    if algorithm is None:
        name = CertificateCompressionAlgorithm.label(message.algorithm)
        raise ProtocolError(
            Alert.ILLEGAL_PARAMETER,
            f"the peer compressed its certificate with {name}, which was not offered",
            reason="UNKNOWN_CERT_COMPRESSION_ALG",
        )
    length = message.uncompressed_length
    if length > limit:
        raise ProtocolError(
            Alert.BAD_CERTIFICATE,
            f"the peer's compressed certificate would have {length} bytes; the limit is {limit}",
            reason="UNCOMPRESSED_CERT_TOO_LARGE",
        )
    try:
        body = DECOMPRESS[algorithm](message.data, length + 1)
    except Exception:  # each library has its own kinds of error
        body = None
    if body is None or len(body) != length:
        raise ProtocolError(
            Alert.BAD_CERTIFICATE,
            "the peer's compressed certificate does not unpack to what it says",
            reason="CERT_DECOMPRESSION_FAILED",
        )
    return Certificate.parse(body)
