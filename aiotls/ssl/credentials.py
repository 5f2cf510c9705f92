"""A certificate chain and a private key out of PEM, with the standard library's errors."""

from __future__ import annotations

import os
import ssl
from typing import Any

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from ..errors import UsageError
from ..identity import Identity
from ..trust.certificates import CERTIFICATE_LABELS, describe_key, not_pem_hint, pem_blocks
from .anchors import PEM_LIB, read
from .errors import make

LONGEST_PASSWORD = 1023


def load_identity(
    chain: Any, key: Any = None, password: Any = None, *, data: bool = False
) -> Identity:
    """The identity in PEM files or, with *data*, in PEM itself.

    *password* is text, bytes, or a function that is called if the key is encrypted. Raises
    OSError for a file that cannot be read, ``ssl.SSLError`` for one that holds something else.
    """
    if password is not None and not isinstance(password, (str, bytes, bytearray)):
        if not callable(password):
            raise TypeError("password should be a string or callable")
    elif password is not None:
        _check_password(password)
    if data:
        chain_data, key_data = chain, chain if key is None else key
    else:
        for path, name in ((chain, "certfile"), (key, "keyfile")):
            if path is None and name == "keyfile":
                continue
            if not isinstance(path, (str, bytes, os.PathLike)):
                raise TypeError(f"{name} should be a valid filesystem path")
        chain_data = read(chain, "certfile")
        key_data = chain_data if key is None else read(key, "keyfile")
    certificates = []
    for block in pem_blocks(chain_data):
        if block.label in CERTIFICATE_LABELS:
            try:
                certificates.append(block.der())
            except ValueError as error:
                raise _pem_lib(f"a certificate cannot be read: {error}") from error
    if not certificates:
        raise _pem_lib(f"certfile has no certificate in PEM. {not_pem_hint(chain_data)}")
    private = _private_key(key_data, password)
    try:
        return Identity(certificates, private)
    except UsageError as error:
        if "pair" in error.message or "mismatch" in error.message or "belong" in error.message:
            mismatch = make(
                ssl.SSLError,
                116,
                "key values mismatch",
                library="X509",
                reason="KEY_VALUES_MISMATCH",
                hint=f"The private key is {describe_key(private)}; the certificate has another. "
                "Was it reissued with a new key?",
            )
            raise mismatch from error
        raise _pem_lib(error.message) from error


def _private_key(data: bytes, password: Any) -> Any:
    """The first private key in PEM."""
    for block in pem_blocks(data):
        if not block.label.endswith("PRIVATE KEY"):
            continue
        secret = None
        if block.label == "ENCRYPTED PRIVATE KEY" or b"ENCRYPTED" in block.body:
            secret = _ask(password)
        try:
            return load_pem_private_key(block.text, secret)
        except (ValueError, TypeError, UnsupportedAlgorithm) as error:
            why = "the password is wrong, or the" if secret is not None else "the"
            raise _pem_lib(f"{why} private key cannot be read: {error}") from error
    raise _pem_lib(f"keyfile has no private key in PEM. {not_pem_hint(data)}")


def _ask(password: Any) -> bytes:
    """The password as bytes; asks whoever has it only now that it is needed."""
    if password is None:
        raise _pem_lib("the private key is encrypted, and no password was given")
    if callable(password):
        password = password()
        if not isinstance(password, (str, bytes, bytearray)):
            raise TypeError("password callback must return a string")
        _check_password(password)
    return password.encode() if isinstance(password, str) else bytes(password)


def _check_password(password: str | bytes | bytearray) -> None:
    size = len(password.encode() if isinstance(password, str) else password)
    if size > LONGEST_PASSWORD:
        raise ValueError(f"password cannot be longer than {LONGEST_PASSWORD} bytes")


def _pem_lib(hint: str) -> ssl.SSLError:
    return make(ssl.SSLError, PEM_LIB, "PEM lib", library="SSL", hint=hint)
