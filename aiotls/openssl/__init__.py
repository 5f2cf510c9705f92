"""The OpenSSL return-code API."""

# ruff: noqa: F403

from __future__ import annotations

from .alerts import *
from .authorities import *
from .bio import *
from .bio_kinds import *
from .cache import *
from .ciphers import *
from .connection import SSL as SSL
from .constants import *
from .context import *
from .early import *
from .errors import *
from .errors import get_errno as get_errno
from .errors import set_errno as set_errno
from .findings import *
from .hello import *
from .identities import *
from .inquiries import *
from .negotiation import *
from .options import *
from .peers import *
from .reasons import *
from .serialization import *
from .sessions import *
from .ssl import *
from .suspension import pending as pending
from .ticket_keys import *
from .verification import *

_PREFIXES = (
    *("ASN1_", "BIO", "ERR_", "EVP_", "HMAC_", "OPENSSL_", "OSSL_", "OpenSSL_", "PEM_", "RAND_"),
    *("SSL", "TLS", "X509_", "d2i_", "i2d_"),
)

__all__ = [name for name in globals() if name.startswith(_PREFIXES)]
__all__ += ["get_errno", "pending", "set_errno"]
