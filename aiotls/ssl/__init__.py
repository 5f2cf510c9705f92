"""A drop-in for the standard library's ssl: ``from aiotls import ssl`` in place of ``import ssl``.

Everything that the standard library's module has is here. What makes connections is this
package's own; constants, enumerations, exceptions and conversions are the standard library's.
:func:`inject` is for libraries that make their own contexts.
"""

from __future__ import annotations

import ssl as _stdlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .standard import *  # noqa: F403
else:
    from ssl import *  # noqa: F403

from .context import SSLContext as SSLContext
from .engine import CHANNEL_BINDING_TYPES as _BINDINGS
from .factories import _create_default_https_context as _create_default_https_context
from .factories import _create_stdlib_context as _create_stdlib_context
from .factories import _create_unverified_context as _create_unverified_context
from .factories import create_default_context as create_default_context
from .factories import get_server_certificate as get_server_certificate
from .injection import extract as extract
from .injection import inject as inject
from .injection import is_injected as is_injected
from .objects import SSLObject as SSLObject
from .objects import SSLSocket as SSLSocket
from .sessions import SSLSession as SSLSession

if hasattr(_stdlib, "wrap_socket"):
    from .factories import wrap_socket as wrap_socket

# What this engine has and has not, whatever OpenSSL has.
CHANNEL_BINDING_TYPES = list(_BINDINGS)
HAS_NPN = HAS_SSLv2 = HAS_SSLv3 = HAS_TLSv1 = HAS_TLSv1_1 = False
HAS_PSK = HAS_PHA = True


def __getattr__(name: str) -> Any:
    """What else the standard library's module has, private names included."""
    return getattr(_stdlib, name)
