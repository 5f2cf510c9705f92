"""The NSS key log: its lines, its file, and the environment."""

from __future__ import annotations

import os
import stat
import threading
from pathlib import Path

import pytest

from aiotls import keylog
from aiotls.errors import UsageError


def test_a_line() -> None:
    assert keylog.line("EXPORTER_SECRET", b"\xab" * 32, b"\x01\x02") == (
        f"EXPORTER_SECRET {'ab' * 32} 0102"
    )


def test_a_file_is_appended_to(tmp_path: Path) -> None:
    path = tmp_path / "keys.log"
    path.write_text("before\n")
    log = keylog.KeyLogFile(path)
    log("one")
    log("two")
    log.close()
    log.close()
    assert path.read_text() == "before\none\ntwo\n"


def test_a_new_file_is_for_its_owner_alone(tmp_path: Path) -> None:
    old = os.umask(0)
    try:
        log = keylog.KeyLogFile(tmp_path / "keys.log")
    finally:
        os.umask(old)
    log.close()
    assert stat.S_IMODE((tmp_path / "keys.log").stat().st_mode) == 0o600


def test_lines_of_several_threads_do_not_mix(tmp_path: Path) -> None:
    log = keylog.KeyLogFile(tmp_path / "keys.log")

    def write(letter: str) -> None:
        for _ in range(200):
            log(letter * 100)

    threads = [threading.Thread(target=write, args=(letter,)) for letter in "abcd"]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    log.close()
    lines = (tmp_path / "keys.log").read_text().splitlines()
    assert sorted(lines) == sorted(letter * 100 for letter in "abcd" * 200)


def test_a_file_that_cannot_be_written(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"the key log .* cannot be written") as caught:
        keylog.KeyLogFile(tmp_path / "none" / "keys.log")
    assert isinstance(caught.value.__cause__, FileNotFoundError)


@pytest.mark.parametrize("value", [None, ""])
def test_nothing_is_logged_unless_it_is_asked_for(
    value: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    if value is None:
        monkeypatch.delenv("SSLKEYLOGFILE", raising=False)
    else:
        monkeypatch.setenv("SSLKEYLOGFILE", value)
    assert keylog.from_environment() is None


def test_the_environment_names_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "keys.log"
    monkeypatch.setattr(keylog, "_files", {})
    monkeypatch.setenv("SSLKEYLOGFILE", str(path))
    log = keylog.from_environment()
    assert log is not None
    assert keylog.from_environment() is log
    log("line")
    assert path.read_text() == "line\n"
    assert isinstance(log, keylog.KeyLogFile)
    log.close()
