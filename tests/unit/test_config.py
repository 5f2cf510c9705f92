"""Configurations: what a copy with changes is."""

from __future__ import annotations

import pytest

from aiotls import ServerConfig, UsageError
from tests import certificates


def test_another_identity_takes_the_place_of_the_first() -> None:
    """As when a certificate is renewed: what was derived from the old one goes with it."""
    first, second = certificates.leaf("localhost").identity, certificates.leaf("other").identity
    config = ServerConfig(identity=first)
    assert config.replace(identity=second).identities == (second,)
    several = config.replace(identities=(second, first))
    assert several.identities == (second, first)
    assert several.replace(identity=first).identities == (first,)
    with pytest.raises(UsageError):
        ServerConfig(identity=first, identities=(second,))
