"""record_size_limit: RFC 8449. Each side says what it can take; neither negotiates.

In TLS 1.3 the limit counts the content type and the padding as well, in TLS 1.2 the content
alone. What is not protected is not limited.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..crypto.aead import MAX_PLAINTEXT
from ..wire import extensions as ext
from ..wire.extensions import Extensions, Rows

if TYPE_CHECKING:
    from ..config import Config
    from .channel import Channel


def offer_limit(config: Config) -> Rows:
    """The client's row; none where it has nothing to ask for."""
    if config.record_size_limit is None:
        return []
    return [(ext.RECORD_SIZE_LIMIT, config.record_size_limit)]


def answer_limit(channel: Channel, config: Config, hello: Extensions, type_size: int) -> Rows:
    """The server's row, which also puts both limits in force (section 4).

    *type_size* is 1 in TLS 1.3, where the content type counts, and 0 in TLS 1.2.
    """
    asked = hello.get(ext.RECORD_SIZE_LIMIT)
    if asked is None:
        return []
    own = config.record_size_limit or MAX_PLAINTEXT + type_size
    channel.limit_records(asked - type_size, own - type_size)
    return [(ext.RECORD_SIZE_LIMIT, own)]


def accept_limit(channel: Channel, config: Config, answer: Extensions, type_size: int) -> None:
    """Puts both limits in force on the client, if the server has answered."""
    asked = answer.get(ext.RECORD_SIZE_LIMIT)
    if asked is not None and config.record_size_limit is not None:
        channel.limit_records(asked - type_size, config.record_size_limit - type_size)
