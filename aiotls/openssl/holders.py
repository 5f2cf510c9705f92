"""What settings are made on: an SSL_CTX, or a single SSL.

Each ``SSL_CTX_…`` changes the connections that are made from then on; the ``SSL_…`` of that name
changes one. Codes are 1 for success and 0 for failure, unless said otherwise.
"""

from __future__ import annotations

from .connection import SSL
from .context import SSL_CTX, check_ctx

Holder = SSL | SSL_CTX


def check_ssl(ssl: SSL) -> SSL:
    """The SSL, alive; raises TypeError or ReferenceError where C would be undefined."""
    if not isinstance(ssl, SSL):
        raise TypeError(f"an SSL is expected, not {type(ssl).__name__}")
    if ssl.references <= 0:
        raise ReferenceError("the SSL has been freed")
    return ssl


def check_holder(holder: Holder) -> Holder:
    """The SSL_CTX or the SSL, alive."""
    return check_ctx(holder) if isinstance(holder, SSL_CTX) else check_ssl(holder)
