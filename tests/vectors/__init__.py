"""Published test vectors, as data, and how to get at them.

=============  =====================================================================
rfc8448.json   Example Handshake Traces for TLS 1.3: RFC 8448, sections 3 to 7
rfc9180.json   Hybrid Public Key Encryption, base mode: RFC 9180, appendix A
prf12.json     the pseudorandom function of TLS 1.2, for SHA-256 and SHA-384
=============  =====================================================================
"""

from __future__ import annotations

import functools
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.asymmetric import rsa

TRACES = (
    "simple_1rtt",
    "resumed_0rtt",
    "hello_retry_request",
    "client_authentication",
    "compatibility_mode",
)
"""The traces of RFC 8448, in its order."""


@functools.cache
def load(name: str) -> Any:
    """The contents of a file of this folder."""
    return json.loads((Path(__file__).parent / name).read_text())


@dataclass(frozen=True)
class Step:
    """One thing that one side of a trace does."""

    actor: str
    """``client`` or ``server``."""
    action: str
    """In the RFC's words: ``send handshake record``, ``derive secret "tls13 c hs traffic"``."""
    fields: dict[str, bytes]
    """By the RFC's names: ``payload``, ``complete record``, ``expanded``, …"""


@dataclass(frozen=True)
class Trace:
    """One handshake of RFC 8448, step by step."""

    name: str
    section: int
    title: str
    steps: tuple[Step, ...]

    def find(self, actor: str, action: str, *, index: int = 0) -> Step:
        """The step whose action begins with *action*; the one with that index, if several do."""
        return [s for s in self.steps if s.actor == actor and s.action.startswith(action)][index]

    def secret(self, label: str) -> bytes:
        """The output of Derive-Secret with a label, such as ``c hs traffic``."""
        action = f'derive secret "tls13 {label}"'
        return next(s.fields["expanded"] for s in self.steps if s.action == action)

    def messages(self, actor: str | None = None) -> list[bytes]:
        """The handshake messages in the order in which they were made, headers included.

        A ClientHello with a pre-shared key is the whole one, with its binders.
        """
        found = []
        for position, step in enumerate(self.steps):
            if step.action.startswith("construct ") and actor in (None, step.actor):
                (message,) = step.fields.values()
                if len(message) != 4 + int.from_bytes(message[1:4], "big"):
                    rest = self.steps[position:]
                    message = next(s.fields["payload"] for s in rest if "payload" in s.fields)
                found.append(message)
        return found

    def records(self, actor: str | None = None) -> list[tuple[str, bytes]]:
        """Who sent which record, in order; each record whole, as it goes on the wire."""
        return [
            (s.actor, s.fields["complete record"])
            for s in self.steps
            if "complete record" in s.fields and actor in (None, s.actor)
        ]


@functools.cache
def rfc8448(name: str) -> Trace:
    """One of :data:`TRACES`."""
    trace = load("rfc8448.json")["traces"][name]
    steps = tuple(
        Step(
            step["actor"],
            step["action"],
            {field: bytes.fromhex(value) for field, value in step["fields"].items()},
        )
        for step in trace["steps"]
    )
    return Trace(name, trace["section"], trace["title"], steps)


@functools.cache
def rfc8448_rsa_key() -> rsa.RSAPrivateKey:
    """The key of the certificate in most traces: RFC 8448, section 2."""
    number = {name: int(value, 16) for name, value in load("rfc8448.json")["rsa_key"].items()}
    return rsa.RSAPrivateNumbers(
        p=number["prime1"],
        q=number["prime2"],
        d=number["private_exponent"],
        dmp1=number["exponent1"],
        dmq1=number["exponent2"],
        iqmp=number["coefficient"],
        public_numbers=rsa.RSAPublicNumbers(number["public_exponent"], number["modulus"]),
    ).private_key()
