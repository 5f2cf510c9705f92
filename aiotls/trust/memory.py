"""Paths that were verified before, for a store that is asked about the same peers again."""

from __future__ import annotations

import datetime
import hashlib
import threading
from collections.abc import Sequence
from typing import NamedTuple

from cryptography import x509


class Verified(NamedTuple):
    """A path, and the time for which every certificate on it is valid."""

    path: tuple[x509.Certificate, ...]
    begin: datetime.datetime
    end: datetime.datetime


class PathMemory:
    """The last *size* paths that one store has verified. Refusals are not remembered.

    Whether a path holds depends on the anchors and the profile, which are the store's and do not
    change; on the role, the name and the certificates, which make the key; and on the time, which
    is looked at again. What depends on more, revocation, staples and hooks, is not the store's to
    judge, and never skipped. Threads may share a memory.
    """

    __slots__ = ("_found", "_lock", "size")

    def __init__(self, size: int) -> None:
        self.size = size
        self._found: dict[bytes, Verified] = {}
        self._lock = threading.Lock()

    def __len__(self) -> int:
        return len(self._found)

    @staticmethod
    def key(role: str, name: str | None, chain: Sequence[bytes]) -> bytes:
        """What stands for a question: a hash, so that a peer cannot fill the memory."""
        digest = hashlib.sha256(f"{role} {'*' if name is None else '=' + name}\0".encode())
        for der in chain:
            digest.update(len(der).to_bytes(4, "big"))
            digest.update(der)
        return digest.digest()

    def recall(self, key: bytes, now: datetime.datetime) -> list[x509.Certificate] | None:
        """The path that was found before, if *now* is within the validity of all of it."""
        found = self._found.get(key)
        if found is None or not found.begin <= now <= found.end:
            return None
        return list(found.path)

    def keep(self, key: bytes, path: Sequence[x509.Certificate]) -> None:
        """Remembers *path*, and forgets the oldest where there are too many."""
        verified = Verified(
            tuple(path),
            max(certificate.not_valid_before_utc for certificate in path),
            min(certificate.not_valid_after_utc for certificate in path),
        )
        with self._lock:
            self._found.pop(key, None)
            self._found[key] = verified
            while len(self._found) > self.size:
                del self._found[next(iter(self._found))]
