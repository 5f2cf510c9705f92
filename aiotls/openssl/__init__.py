"""The OpenSSL return-code API."""

# ruff: noqa: F403

from __future__ import annotations

from .bio import *
from .bio_kinds import *
from .errors import *
from .reasons import *
