"""What users read of a key that does not fit, and of files that are missing or something else."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from aiotls import Identity, ServerConfig, TrustStore, UsageError
from tests.certificates import key, key_pem, leaf


@pytest.fixture(autouse=True)
def _directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "chain.pem").write_bytes(leaf("localhost").pem)
    (tmp_path / "key.pem").write_bytes(leaf("localhost").key_pem)
    (tmp_path / "chain.der").write_bytes(leaf("localhost").der)
    (tmp_path / "other.pem").write_bytes(key_pem(key("p256", 77)))
    (tmp_path / "rsa.pem").write_bytes(key_pem(key("rsa")))
    (tmp_path / "locked.pem").write_bytes(key_pem(leaf("localhost").key, b"secret"))
    (tmp_path / "empty.pem").write_bytes(b"\n")
    (tmp_path / "hello.pem").write_bytes(b"hello")


def told(chain: str, key: str | None = None, *, password: str | None = None) -> UsageError:
    with pytest.raises(UsageError) as caught:
        Identity.from_files(chain, key, password=password)
    error = caught.value
    assert isinstance(error, ValueError)
    assert isinstance(error, OSError)
    assert getattr(error, "__notes__", [None]) == [error.hint]
    return error


def test_a_key_of_another_certificate() -> None:
    error = told("chain.pem", "other.pem")
    assert str(error) == (
        "the certificate's key is an ECDSA key on P-256, and the key given is another one: not a "
        "pair"
    )
    assert error.hint == "Was the certificate reissued with a new key?"
    assert str(told("chain.pem", "rsa.pem")) == (
        "the certificate's key is an ECDSA key on P-256, and the key given is an RSA key of 2048 "
        "bits: not a pair"
    )


def test_a_file_that_is_missing() -> None:
    error = told("nowhere.pem", "key.pem")
    assert str(error) == "certfile 'nowhere.pem': No such file or directory"
    assert error.hint == f"The path is relative to the working directory, {os.getcwd()}."
    assert (error.errno, error.filename) == (2, "nowhere.pem")
    assert str(told("chain.pem", "nowhere.key")) == (
        "keyfile 'nowhere.key': No such file or directory"
    )
    absolute = told("/nowhere/chain.pem")
    assert str(absolute) == "certfile '/nowhere/chain.pem': No such file or directory"
    assert absolute.hint is None


def test_a_file_that_is_something_else() -> None:
    no_certificate = "certfile {!r} has no certificate (-----BEGIN CERTIFICATE-----)"
    no_key = "keyfile {!r} has no private key (-----BEGIN PRIVATE KEY-----)"
    error = told("hello.pem", "key.pem")
    assert str(error) == no_certificate.format("hello.pem")
    assert error.hint == ("It has 5 bytes of text, and no line that begins with -----BEGIN.")
    error = told("chain.der", "key.pem")
    assert str(error) == no_certificate.format("chain.der")
    assert error.hint == (
        "It looks like DER, the binary form: openssl x509 -inform der -in FILE converts it."
    )
    assert told("empty.pem", "key.pem").hint == "It is empty."
    error = told("chain.pem", "chain.pem")
    assert str(error) == no_key.format("chain.pem")
    assert error.hint == "It holds CERTIFICATE."
    error = told("key.pem", "chain.pem")
    assert str(error) == no_certificate.format("key.pem")
    assert error.hint == "It holds PRIVATE KEY."
    assert str(told("chain.pem")) == (
        "certfile 'chain.pem' has no private key (-----BEGIN PRIVATE KEY-----)"
    )


def test_a_key_that_is_locked() -> None:
    error = told("chain.pem", "locked.pem")
    assert str(error) == "the private key in keyfile 'locked.pem' is encrypted"
    assert error.hint == "Give password=."
    error = told("chain.pem", "locked.pem", password="wrong")
    assert str(error).startswith("the private key in keyfile 'locked.pem' cannot be read: ")
    assert error.hint == "The password may be wrong."
    assert "wrong" not in str(error)


def test_a_server_without_a_certificate() -> None:
    with pytest.raises(UsageError) as caught:
        ServerConfig()
    assert caught.value.hint == (
        'ServerConfig(identity=Identity.from_files("chain.pem", "key.pem"))'
    )


def test_authorities_that_are_missing_or_something_else() -> None:
    with pytest.raises(UsageError) as caught:
        TrustStore.from_files("nowhere.pem")
    assert str(caught.value) == "cafile 'nowhere.pem': No such file or directory"
    with pytest.raises(UsageError) as caught:
        TrustStore.from_files("key.pem")
    assert str(caught.value) == "key.pem has no certificate in PEM (-----BEGIN CERTIFICATE-----)"
    assert caught.value.hint == "It holds PRIVATE KEY."
