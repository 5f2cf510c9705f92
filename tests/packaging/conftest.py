"""The distributions, built once, and a virtual environment with nothing but one of them."""

from __future__ import annotations

import importlib.metadata
import importlib.util
import os
import subprocess
import sys
import sysconfig
import venv
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
NEEDED = ("build", "hatchling", "pip")


def run(*command: object, cwd: Path | None = None, timeout: float = 300) -> str:
    """Runs a program in an environment that knows nothing of this one; its output."""
    hidden = ("PYTHON", "PYTEST", "VIRTUAL_ENV", "COVERAGE", "AIOTLS")
    environment = {k: v for k, v in os.environ.items() if not k.startswith(hidden)}
    done = subprocess.run(
        [str(part) for part in command],
        cwd=cwd,
        env=environment | {"PYTHONDONTWRITEBYTECODE": "1"},
        capture_output=True,
        text=True,
        timeout=timeout,
    )
    assert done.returncode == 0, f"{command}\n{done.stdout}\n{done.stderr}"
    return done.stdout


@pytest.fixture(scope="session")
def distributions(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A directory with the sdist, and the wheel that was built from it."""
    missing = [name for name in NEEDED if importlib.util.find_spec(name) is None]
    if missing:
        text = f"not installed: {', '.join(missing)} (the extra dev has them)"
        (pytest.fail if os.environ.get("AIOTLS_REQUIRE_PEERS") else pytest.skip)(text)
    out = tmp_path_factory.mktemp("dist")
    run(sys.executable, "-m", "build", "--no-isolation", "--outdir", out, ROOT)
    return out


@pytest.fixture(scope="session")
def wheel(distributions: Path) -> Path:
    (found,) = distributions.glob("*.whl")
    return found


@pytest.fixture(scope="session")
def sdist(distributions: Path) -> Path:
    (found,) = distributions.glob("*.tar.gz")
    return found


def closure(name: str) -> set[str]:
    """A distribution and all that it requires here, extras aside."""
    from packaging.requirements import Requirement

    found, waiting = set(), [name]
    while waiting:
        current = waiting.pop()
        if current in found:
            continue
        found.add(current)
        for line in importlib.metadata.requires(current) or ():
            requirement = Requirement(line)
            if requirement.marker is None or requirement.marker.evaluate({"extra": ""}):
                waiting.append(requirement.name)
    return found


@pytest.fixture(scope="session")
def python(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The interpreter of an environment with the wheel and cryptography, and nothing else.

    Nothing is downloaded: cryptography is the one that is installed here.
    """
    directory = tmp_path_factory.mktemp("clean")
    venv.create(directory, with_pip=False, symlinks=True)
    interpreter = directory / "bin" / "python"
    purelib = Path(
        run(interpreter, "-c", "import sysconfig as s; print(s.get_path('purelib'))").strip()
    )
    pip = [sys.executable, "-m", "pip", "--python", interpreter, "install"]
    run(*pip, "--quiet", "--no-index", "--no-deps", "--disable-pip-version-check", wheel)
    here = Path(sysconfig.get_path("platlib"))
    for name in closure("cryptography"):
        for file in importlib.metadata.files(name) or ():
            top = file.parts[0]
            target = purelib / top
            if top not in ("..", "__pycache__") and not target.exists():
                target.symlink_to(here / top)
    return interpreter
