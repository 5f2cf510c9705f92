"""What all stacks have in common: certificates, version, suite and group.

They are written into a directory that the processes are pointed to. OpenSSL takes suites and
groups of TLS 1.3 from a file of its own: Python's ``ssl`` has no calls for them.
"""

from __future__ import annotations

import json
import os
from dataclasses import asdict, dataclass
from pathlib import Path

from ..cli.authority import Authority

NAME = "localhost"
"""What the server's certificate is for."""

SUITES = {
    "aes128": ("TLS_AES_128_GCM_SHA256", "ECDHE-ECDSA-AES128-GCM-SHA256"),
    "aes256": ("TLS_AES_256_GCM_SHA384", "ECDHE-ECDSA-AES256-GCM-SHA384"),
    "chacha": ("TLS_CHACHA20_POLY1305_SHA256", "ECDHE-ECDSA-CHACHA20-POLY1305"),
}
"""OpenSSL's names of one cipher, in TLS 1.3 and in TLS 1.2."""

GROUPS = {"1.3": ("X25519",), "1.2": ("X25519", "P-256")}
"""The first is agreed on. In TLS 1.2 a client names the curve of the certificate as well."""

OPENSSL = """\
openssl_conf = openssl_init
[openssl_init]
ssl_conf = ssl_sect
[ssl_sect]
system_default = system_default_sect
[system_default_sect]
Ciphersuites = {tls13}
CipherString = {tls12}
Groups = {groups}
"""


@dataclass(frozen=True, slots=True)
class Settings:
    """Where the certificates are, and what every stack is to agree on."""

    directory: str
    version: str = "1.3"
    suite: str = "aes128"

    @classmethod
    def create(cls, directory: Path, version: str = "1.3", suite: str = "aes128") -> Settings:
        """New certificates: an ECDSA P-256 leaf below an authority, which the client trusts."""
        authority = Authority.create("aiotls benchmark CA")
        issued = authority.issue(NAME)
        (directory / "root.pem").write_bytes(authority.certificate_pem)
        (directory / "chain.pem").write_bytes(issued.chain_pem)
        (directory / "key.pem").write_bytes(issued.key_pem)
        tls13, tls12 = SUITES[suite]
        (directory / "openssl.cnf").write_text(
            OPENSSL.format(tls13=tls13, tls12=tls12, groups=":".join(GROUPS[version]))
        )
        return cls(str(directory), version, suite)

    @classmethod
    def from_json(cls, text: str) -> Settings:
        """The inverse of :meth:`to_json`."""
        return cls(**json.loads(text))

    def to_json(self) -> str:
        """As an argument for another process."""
        return json.dumps(asdict(self))

    def environment(self) -> dict[str, str]:
        """The environment of a process that measures."""
        return {
            **{k: v for k, v in os.environ.items() if k not in ("SSLKEYLOGFILE", "PYTHONPATH")},
            "OPENSSL_CONF": self.path("openssl.cnf"),
            "PYTHONPATH": os.pathsep.join(_paths()),
        }

    def path(self, name: str) -> str:
        """A file in the directory."""
        return os.path.join(self.directory, name)


def _paths() -> list[str]:
    """Where this very package lies, so that the processes measure no other one."""
    here = str(Path(__file__).resolve().parents[2])
    return [here, *filter(None, [os.environ.get("PYTHONPATH")])]
