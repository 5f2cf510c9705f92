"""Servers started from their own command lines, as they are in production."""

from __future__ import annotations

import http.client
import subprocess
import sys
from pathlib import Path

import pytest

import aiotls
from aiotls import ssl

from . import services
from .engines import OURS, Files, client_context

pytestmark = pytest.mark.interop

APPLICATION = """
async def application(scope, receive, send):
    if scope["type"] == "http":
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"hello"})
"""

LOOP = """
import aiotls.ssl

aiotls.ssl.inject()

from aiotls import new_event_loop
"""


def ask(port: int, files: Files) -> tuple[bytes, str | None]:
    """The body of a page, and the group that the connection's key was agreed on with."""
    context = client_context(OURS, files)
    connection = http.client.HTTPSConnection("localhost", port, context=context, timeout=20)
    connection.request("GET", "/")
    assert isinstance(connection.sock, ssl.SSLSocket)
    group = connection.sock.group()
    body = connection.getresponse().read()
    connection.close()
    return body, group


def serve(command: list[str], port: int, directory: Path, files: Files) -> str | None:
    """Runs a server, asks it three times; the group of the last connection."""
    repository = Path(aiotls.__file__).parents[1]
    environment = {"PYTHONPATH": f"{directory}:{repository}", "PATH": "/usr/bin:/bin"}
    group = None
    with services.running(
        [sys.executable, "-W", "error::RuntimeWarning", "-m", *command],
        port,
        cwd=directory,
        env=environment,
        stderr=subprocess.DEVNULL,
    ):
        for _ in range(3):
            body, group = ask(port, files)
            assert body == b"hello"
    return group


@pytest.mark.parametrize("loop", ["aiotls:new_event_loop", "injected:new_event_loop"])
def test_uvicorn_on_this_packages_loop(loop: str, files: Files, tmp_path: Path) -> None:
    """``uvicorn --loop``. Its own context is OpenSSL's, and stays so on this package's loop; the
    module of the loop is imported before the context is made, and so can see to it.
    """
    pytest.importorskip("uvicorn")
    (tmp_path / "house.py").write_text(APPLICATION)
    (tmp_path / "injected.py").write_text(LOOP)
    certificate, key = services.split(files, "server", tmp_path)
    port = services.free_port()
    command = ["uvicorn", "house:application", "--loop", loop, "--port", str(port)]
    command += ["--ssl-certfile", certificate, "--ssl-keyfile", key, "--log-level", "critical"]
    group = serve(command, port, tmp_path, files)
    assert (group == "X25519MLKEM768") == (loop == "injected:new_event_loop")


def test_hypercorn_makes_its_own_context(files: Files, tmp_path: Path) -> None:
    """It does so once the application is imported, which calls inject()."""
    pytest.importorskip("hypercorn")
    application = "import aiotls.ssl\naiotls.ssl.inject()\n" + APPLICATION
    (tmp_path / "house.py").write_text(application)
    certificate, key = services.split(files, "server", tmp_path)
    port = services.free_port()
    command = ["hypercorn", "house:application", "--bind", f"localhost:{port}"]
    command += ["--certfile", certificate, "--keyfile", key]
    assert serve(command, port, tmp_path, files) == "X25519MLKEM768"
