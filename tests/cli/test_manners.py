"""What is true of every command: JSON on request, plain text, exit codes, no traceback."""

from __future__ import annotations

import errno
import json
import os
import pty
import signal
import socket
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aiotls.cli.terminal import ESCAPE, fold

from .conftest import Files, Run, Served, environment

Serve = Callable[..., Served]

COMMANDS = ("demo", "connect", "serve", "trace", "cert", "check", "explain", "bench", "doctor")
OK, FAILED, USAGE, UNVERIFIED = 0, 1, 2, 3


def closed_port() -> str:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return f"127.0.0.1:{listener.getsockname()[1]}"


def about(command: str, port: int, files: Files) -> list[str]:
    """A command that succeeds against a server at *port*."""
    host = f"localhost:{port}"
    return {
        "demo": ["demo"],
        "connect": ["connect", host, "--cafile", files.ca],
        "trace": ["trace", host, "--cafile", files.ca],
        "check": ["check", host, "--cafile", files.ca],
        "cert show": ["cert", "show", files.cert],
        "cert check": ["cert", "check", host, "--cafile", files.ca, "--days-left", "0"],
        "explain": ["explain", "decode_error"],
        "doctor": ["doctor"],
    }[command]


ANSWERING = ("demo", "connect", "trace", "check", "cert show", "cert check", "explain", "doctor")


@pytest.mark.parametrize("command", ANSWERING)
def test_json_is_all_there_is_on_stdout(
    command: str, aiotls: Run, serve: Serve, files: Files
) -> None:
    served = serve("--echo", "--quiet")
    run = aiotls(*about(command, served.port, files), "--json")
    assert run.returncode == OK, run.stderr
    assert json.loads(run.stdout)


def test_json_tells_where_certificates_were_put(aiotls: Run, tmp_path: Path) -> None:
    made = aiotls("cert", "ca", "--ca", str(tmp_path), "--json")
    assert made.returncode == OK, made.stderr
    authority = json.loads(made.stdout)
    assert Path(authority["certificate"]).exists()
    assert Path(authority["key"]).exists()
    run = aiotls(
        *("cert", "new", "localhost", "--ca", str(tmp_path), "--out", str(tmp_path), "--json")
    )
    assert run.returncode == OK, run.stderr
    told = json.loads(run.stdout)
    assert told["authority"] == authority["certificate"]
    assert told["names"] == ["localhost"]
    assert Path(told["certificate"]).exists()
    assert Path(told["key"]).exists()


@pytest.mark.parametrize("command", [*COMMANDS, "cert ca", "cert new", "cert show", "cert check"])
def test_json_tells_of_arguments_that_are_not_understood(command: str, aiotls: Run) -> None:
    run = aiotls(*command.split(), "--json", "--no-such-option")
    assert run.returncode == USAGE
    assert run.stderr == ""
    told = json.loads(run.stdout)
    assert told["ok"] is False
    assert told["error"]
    assert told["hint"].startswith(f"try: aiotls {command}")


@pytest.mark.parametrize("command", ["connect", "trace", "check", "cert check"])
def test_json_tells_of_failures_as_well(command: str, aiotls: Run, files: Files) -> None:
    port = int(closed_port().rpartition(":")[2])
    run = aiotls(*about(command, port, files), "--json")
    assert run.returncode == FAILED
    told = json.loads(run.stdout)
    assert told["ok"] is False
    assert "refused" in told["error"]
    assert "Traceback" not in run.stderr


def test_a_servers_lines_are_json_too(aiotls: Run, serve: Serve, files: Files) -> None:
    served = serve("--echo", "--json")
    listening = json.loads(served.first)
    assert listening["event"] == "listening"
    assert listening["port"] == served.port
    run = aiotls("connect", f"localhost:{served.port}", "--cafile", files.ca, "--json")
    assert run.returncode == OK
    code, output = served.stop()
    assert code == OK
    told: list[dict[str, Any]] = [json.loads(line) for line in output.splitlines()]
    (connection,) = (each for each in told if each["event"] == "connection")
    assert connection["version"] == "TLS 1.3"
    assert connection["server_name"] == "localhost"
    assert connection["client"].startswith("127.0.0.1:")


def test_workers_lines_are_json_and_name_the_worker(
    aiotls: Run, serve: Serve, files: Files
) -> None:
    served = serve("--echo", "--json", "--workers", "2")
    assert json.loads(served.first)["event"] == "listening"
    run = aiotls("connect", f"localhost:{served.port}", "--cafile", files.ca, "--json")
    assert run.returncode == OK
    _, output = served.stop()
    told = [json.loads(line) for line in output.splitlines()]
    (connection,) = (each for each in told if each["event"] == "connection")
    assert connection["worker"] in (1, 2)


@pytest.mark.parametrize("command", ANSWERING)
def test_output_that_is_no_terminal_is_plain_ascii(
    command: str, aiotls: Run, serve: Serve, files: Files
) -> None:
    served = serve("--echo", "--quiet")
    run = aiotls(*about(command, served.port, files))
    assert run.returncode == OK, run.stderr
    assert (run.stdout + run.stderr).isascii()
    assert "\x1b" not in run.stdout + run.stderr


def on_a_terminal(arguments: list[str], **changes: str) -> tuple[int, str]:
    """Runs a command whose output is a terminal: its exit code, and what it showed."""
    master, slave = pty.openpty()
    with subprocess.Popen(
        [sys.executable, "-m", "aiotls", *arguments],
        stdin=subprocess.DEVNULL,
        stdout=slave,
        stderr=slave,
        env=environment(TERM="xterm-256color", **changes),
    ) as process:
        os.close(slave)
        shown = b""
        try:
            while data := os.read(master, 65_536):
                shown += data
        except OSError as error:
            if error.errno != errno.EIO:  # the other end of a terminal is gone
                raise
        finally:
            os.close(master)
        return process.wait(50), shown.decode()


@pytest.mark.parametrize("command", ["demo", "trace", "check", "cert show", "doctor"])
def test_no_color_is_heeded_on_a_terminal(command: str, serve: Serve, files: Files) -> None:
    served = serve("--echo", "--quiet")
    arguments = about(command, served.port, files)
    code, coloured = on_a_terminal(arguments)
    assert code == OK
    assert "\x1b[" in coloured
    code, plain = on_a_terminal(arguments, NO_COLOR="1")
    assert code == OK
    assert "\x1b[" not in plain


@pytest.mark.parametrize("command", ANSWERING)
def test_forty_columns_are_enough(command: str, serve: Serve, files: Files) -> None:
    """But for a word that is longer than that."""
    served = serve("--echo", "--quiet")
    code, shown = on_a_terminal(about(command, served.port, files), COLUMNS="40", NO_COLOR="1")
    assert code == OK
    assert shown
    for line in shown.splitlines():
        assert len(line) <= 40 or " " not in line.strip(), line


def test_a_pipe_gets_whole_lines(aiotls: Run) -> None:
    """Even where COLUMNS is set: libreadline puts it into the environment of what it starts."""
    run = aiotls("doctor", COLUMNS="40")
    assert any(
        line.startswith("handshake: ") and len(line) > 60 for line in run.stdout.splitlines()
    )


@pytest.mark.parametrize("command", COMMANDS)
def test_help_tells_the_exit_codes_or_how_to_go_on(command: str, aiotls: Run) -> None:
    run = aiotls(command, "--help")
    assert run.returncode == OK
    assert run.stdout.startswith(f"usage: aiotls {command}")
    assert run.stdout.isascii()
    wrong = aiotls(command, "--no-such-option", "x")
    assert wrong.returncode == USAGE
    assert wrong.stderr.startswith("aiotls: ")
    assert "Traceback" not in wrong.stderr


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (["connect", "nohost.invalid"], FAILED, "cannot be found"),
        (["connect", "localhost:70000"], USAGE, "no port from 1 to 65535"),
        (["connect", "localhost:1", "--cafile", "{missing}"], USAGE, "No such file"),
        (["connect", "localhost:1", "--cafile", "{directory}"], USAGE, "directory"),
        (["trace", "nohost.invalid"], FAILED, "cannot be found"),
        (["check", "nohost.invalid"], FAILED, "cannot be found"),
        (["cert", "show", "{missing}"], USAGE, "No such file"),
        (["cert", "show", "{directory}"], USAGE, "directory"),
        (["cert", "show", "{text}"], USAGE, "no certificate"),
        (["cert", "check", "nohost.invalid", "--days-left", "3"], FAILED, "cannot be found"),
        (["cert", "check", "localhost", "--days-left", "many"], USAGE, "--days-left"),
        (["serve", "--cert", "{missing}"], USAGE, "No such file"),
        (["serve", "--cert", "{text}"], USAGE, ""),
        (["serve", "{missing}", "--cert", "auto"], USAGE, "not a directory"),
        (["serve", "--cert", "auto", "--port", "70000"], USAGE, "0 to 65535"),
        (["serve", "--cert", "{pem}", "--max-handshakes", "0"], USAGE, "concurrent"),
        (["explain", "nonsenseword"], USAGE, "no word of TLS"),
        (["nonsense"], USAGE, "invalid choice"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_what_goes_wrong_is_one_clear_line(
    arguments: list[str], code: int, said: str, aiotls: Run, files: Files, tmp_path: Path
) -> None:
    text = tmp_path / "text.pem"
    text.write_text("no certificate\n")
    places = {
        "missing": str(tmp_path / "missing.pem"),
        "directory": str(tmp_path),
        "text": str(text),
        "pem": files.client,
    }
    run = aiotls(*(argument.format(**places) for argument in arguments))
    assert run.returncode == code, run.stderr
    assert run.stdout == ""
    lines = run.stderr.splitlines()
    assert lines[0].startswith("aiotls: ")
    assert said in lines[0]
    assert all(line.startswith(("  hint: ", "  try: ", "        ")) for line in lines[1:])


def test_an_unreadable_file(aiotls: Run, files: Files, tmp_path: Path) -> None:
    if os.geteuid() == 0:  # who may read everything still cannot read this one
        unreadable = Path("/proc/self/mem")
    else:
        unreadable = tmp_path / "secret.pem"
        unreadable.touch(mode=0)
    run = aiotls("connect", "localhost:1", "--cafile", str(unreadable))
    assert run.returncode == USAGE
    assert run.stderr.startswith("aiotls: ")
    assert "Traceback" not in run.stderr


@pytest.mark.parametrize("command", ["demo", "check", "cert show", "explain", "doctor"])
def test_a_reader_that_goes_away(command: str, serve: Serve, files: Files) -> None:
    served = serve("--echo", "--quiet")
    reading, writing = os.pipe()
    with subprocess.Popen(
        [sys.executable, "-m", "aiotls", *about(command, served.port, files)],
        stdin=subprocess.DEVNULL,
        stdout=writing,
        stderr=subprocess.PIPE,
        env=environment(),
    ) as process:
        os.close(writing)
        os.close(reading)
        _, errors = process.communicate(timeout=50)
    assert b"Traceback" not in errors
    assert b"BrokenPipe" not in errors
    assert b"Exception ignored" not in errors


def test_handshakes_beyond_the_limit_are_shed(serve: Serve, files: Files, aiotls: Run) -> None:
    served = serve("--echo", "--max-handshakes-per-address", "2")
    idle = [socket.create_connection(("127.0.0.1", served.port)) for _ in range(3)]
    try:
        idle[2].settimeout(20)
        assert idle[2].recv(1) == b""  # shed, without a word
    finally:
        for each in idle:
            each.close()
    run = aiotls("connect", f"localhost:{served.port}", "--cafile", files.ca, "--json")
    assert run.returncode in (OK, FAILED)  # as soon as the server has seen that two are gone


@given(st.lists(st.text("abc\u00e9", min_size=1, max_size=60)), st.integers(40, 120))
def test_a_folded_line_has_all_its_words(words: list[str], width: int) -> None:
    painted = [f"\x1b[1;32m{word}\x1b[0m" if len(word) % 2 else word for word in words]
    parts = fold("  " + " ".join(painted), width)
    assert " ".join(parts).split() == painted
    assert all(len(ESCAPE.sub("", part)) <= width or len(part.split()) == 1 for part in parts)


ODD = [
    (["cert", "new", ""], USAGE, "a name is empty"),
    (["cert", "ca", "--name", ""], USAGE, "a name is empty"),
    (["serve", ".", "--workers", "0", "--cert", "auto"], USAGE, "--workers is 1 to"),
    (["cert", "check", "localhost", "--days-left", "-1"], USAGE, "--days-left is a number of days"),
    (["connect", "localhost", "--keylog", "/none/x"], USAGE, "the key log '/none/x'"),
    (["connect", "localhost", "--port", "0"], USAGE, "unrecognized arguments: --port 0"),
    (["cert", "ca", "--out", "x"], USAGE, "unrecognized arguments: --out x"),
    (["connect", "localhost", "--linger", "-1"], USAGE, "--linger is a number of seconds"),
    (["connect", "localhost", "--timeout", "inf"], USAGE, "--timeout is a positive number"),
    (["connect", "localhost", "--groups", ""], USAGE, "'' is not a group"),
    (["connect", "localhost", "--servername", ""], USAGE, "the server name is empty"),
    (["connect", "localhost", "--ech", ""], USAGE, "ech is no ECHConfigList"),
    (["connect", "localhost", "--tls", "1.2", "--early-data", "x"], USAGE, "--early-data is for"),
    (["trace", "localhost", "--wait", "nan"], USAGE, "--wait is a number of seconds"),
    (["bench", "--rounds", "0"], USAGE, "argument --rounds: '0' is not a number from 1"),
    (["bench", "--stacks", "ssl,foo"], USAGE, "argument --stacks: 'foo' is no stack: tcp, ssl,"),
    (["bench", "--loops", ""], USAGE, "argument --loops: '' is no loop: asyncio, uvloop"),
    (["connect", "[::1"], USAGE, "'[::1' has no closing bracket"),
    (["connect", "[::1]:"], USAGE, "'[::1]:' has no port from 1 to 65535"),
    (["connect", "[::1]x"], USAGE, "'[::1]x' has no port from 1 to 65535"),
    (["trace", "localhost", "--html", ""], USAGE, "--html needs the name of a file"),
    (["trace", "localhost", "--pcapng", ""], USAGE, "--pcapng needs the name of a file"),
    (["trace", "localhost", "--html", "x", "--pcapng", "./x"], USAGE, "--html and --pcapng are"),
    (["serve", "--cert", "auto", "--name", "a b"], USAGE, "'a b' is not a server name"),
    (["serve", "--cert", "auto", "--alpn", ""], USAGE, "the ALPN name ''"),
    (["serve", "--cert", "auto", "--client-ca", "/none/x"], USAGE, "cafile '/none/x'"),
]


@pytest.mark.parametrize(("arguments", "code", "text"), ODD)
def test_what_cannot_be_is_said_before_anything_is_made(
    aiotls: Run, tmp_path: Path, arguments: list[str], code: int, text: str
) -> None:
    run = aiotls(*arguments, HOME=str(tmp_path), XDG_DATA_HOME=str(tmp_path))
    assert run.returncode == code
    assert run.stderr.startswith(f"aiotls: {text}")
    assert not run.stdout
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("command", ["connect", "cert ca"])
def test_who_mistakes_an_option_is_shown_the_commands_own_help(aiotls: Run, command: str) -> None:
    run = aiotls(*command.split(), *(["localhost"] if command == "connect" else []), "--nope")
    assert f"try: aiotls {command} --help" in run.stderr


@pytest.mark.parametrize("command", ["doctor", "doctor --json", "explain"])
def test_a_full_disk_is_no_failed_connection(command: str) -> None:
    with open("/dev/full", "w") as full:
        run = subprocess.run(
            [sys.executable, "-m", "aiotls", *command.split()], stdout=full, stderr=subprocess.PIPE,
            text=True, env=environment(), timeout=50, check=False,
        )  # fmt: skip
    assert run.returncode == FAILED
    assert run.stderr.startswith("aiotls: the output cannot be written: No space left")
    assert run.stderr.count("\n") == 1


@pytest.mark.parametrize("command", ["connect", "trace"])
def test_a_key_log_on_a_full_disk(command: str, aiotls: Run, serve: Serve, files: Files) -> None:
    served = serve("--echo", "--quiet")
    run = aiotls(*about(command, served.port, files), "--keylog", "/dev/full")
    assert run.returncode == FAILED
    text = run.stderr if command == "connect" else run.stdout
    assert "the output cannot be written: No space left on device" in text
    assert "internal" not in text


@pytest.mark.parametrize("command", ["--help", "--version", "connect localhost:1 --json", "nope"])
def test_a_full_disk_makes_no_traceback(command: str) -> None:
    with open("/dev/full", "w") as full:
        run = subprocess.run(
            [sys.executable, "-m", "aiotls", *command.split()], stdout=full,
            stderr=subprocess.PIPE, text=True, env=environment(), timeout=50, check=False,
        )  # fmt: skip
    assert "Traceback" not in run.stderr
    assert "Exception ignored" not in run.stderr


WATCHED = """
import sys, builtins
found, wanted = builtins.__import__, sys.argv[1]
def notice(name, *rest, **named):
    if name == wanted and "aiotls" in sys.modules:
        print("loading", flush=True)
        sys.stdin.read()
    return found(name, *rest, **named)
builtins.__import__ = notice
import runpy
sys.argv = ["aiotls", "doctor"]
runpy.run_module("aiotls", run_name="__main__")
"""
"""A command that stops where it imports a module, to be interrupted there."""


@pytest.mark.skipif(os.name == "nt", reason="POSIX signals")
@pytest.mark.parametrize("module", ["argparse", "ipaddress", "asyncio"])
def test_ctrl_c_while_modules_are_loaded_leaves_no_noise(module: str) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", WATCHED, module],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=environment(),
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "loading\n"
        process.send_signal(signal.SIGINT)
        _, errors = process.communicate(timeout=50)
    assert process.returncode in (-signal.SIGINT, 130)
    assert errors == ""


PAGES = ["", *COMMANDS, "cert ca", "cert new", "cert show", "cert check"]


@pytest.mark.parametrize("columns", [40, 80])
@pytest.mark.parametrize("command", PAGES)
def test_help_fits_the_terminal(aiotls: Run, command: str, columns: int) -> None:
    run = aiotls(*command.split(), "--help", COLUMNS=str(columns))
    assert run.returncode == OK
    assert len(run.stdout.splitlines()) > 4
    assert all(len(line) <= columns for line in run.stdout.splitlines())


def test_usage_keeps_an_option_and_its_value_together(aiotls: Run) -> None:
    narrow = aiotls("connect", "--help", COLUMNS="40").stdout.partition("\n\n")[0]
    wide = aiotls("connect", "--help", COLUMNS="200").stdout.partition("\n\n")[0]
    assert narrow.split() == wide.split()
    assert "    [--starttls PROTOCOL]\n" in narrow


@pytest.mark.parametrize("unbuffered", ["", "1"])
@pytest.mark.parametrize("command", [f"{page} --help" for page in PAGES] + ["", "--version"])
def test_help_that_cannot_be_written_is_a_failure(command: str, unbuffered: str) -> None:
    with open("/dev/full", "w") as full:
        run = subprocess.run(
            [sys.executable, "-m", "aiotls", *command.split()], stdout=full, stderr=subprocess.PIPE,
            text=True, env=environment(PYTHONUNBUFFERED=unbuffered), timeout=50, check=False,
        )  # fmt: skip
    assert run.returncode == FAILED
    assert run.stderr.startswith("aiotls: the output cannot be written: No space left")
    assert run.stderr.count("\n") == 1


@pytest.mark.parametrize("unbuffered", ["", "1"])
@pytest.mark.parametrize(
    ("command", "code"),
    [("nope", USAGE), ("connect localhost:99999", USAGE), ("connect {closed}", FAILED)],
)
def test_the_exit_code_holds_though_there_is_nowhere_to_say_why(
    command: str, code: int, unbuffered: str
) -> None:
    with open("/dev/full", "w") as full:
        run = subprocess.run(
            [sys.executable, "-m", "aiotls", *command.format(closed=closed_port()).split()],
            stdout=subprocess.PIPE, stderr=full, env=environment(PYTHONUNBUFFERED=unbuffered),
            timeout=50, check=False,
        )  # fmt: skip
    assert run.returncode == code
    assert run.stdout == b""
