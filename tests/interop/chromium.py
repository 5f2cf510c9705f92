"""A headless Chromium as a client: it loads a page, and what came of it is read from the page."""

from __future__ import annotations

import json
import os
import subprocess
import tempfile
from pathlib import Path

from tests.browser.chromium import find

from .nss import add_authority, run
from .peer import Outcome, Peer, missing_programs


class Chromium(Peer):
    """It asks a resolver of ours for names and nobody else: nothing of it leaves this machine."""

    name = "chromium"
    groups = {}
    suites = {}
    is_server = False
    speaks_http = True
    is_slow_to_start = True

    def missing(self) -> str | None:
        if find() is None:
            return "chromium not installed"
        return missing_programs("certutil")

    def load(self, url: str, trust: Path, resolver: int, *options: str) -> Outcome:
        """The page behind *url* as text, once it is loaded. *resolver* is the port of one."""
        with tempfile.TemporaryDirectory(
            prefix="chromium-", ignore_cleanup_errors=True
        ) as directory:
            home = Path(directory)
            database = home / ".pki" / "nssdb"
            database.mkdir(parents=True)
            run("certutil", "-N", "--empty-password", "-d", f"sql:{database}")
            add_authority(database, trust)
            profile = home / "profile"
            profile.mkdir()
            template = f"https://127.0.0.1:{resolver}/dns-query"
            state = {"dns_over_https": {"mode": "secure", "templates": template}}
            (profile / "Local State").write_text(json.dumps(state))
            command = [
                *(find() or "chromium", "--headless", "--disable-gpu", "--no-first-run"),
                *("--no-sandbox", "--disable-dev-shm-usage", "--disable-component-update"),
                *("--disable-background-networking", "--disable-sync", "--timeout=30000"),
                *(f"--user-data-dir={profile}", "--dump-dom", *options, url),
            ]
            environment = {"HOME": str(home), "XDG_CONFIG_HOME": str(home)}
            process = subprocess.run(
                command,
                stdin=subprocess.DEVNULL,
                capture_output=True,
                env=os.environ | environment,
                timeout=90,
                check=False,
            )
            return Outcome(process.stdout, process.stderr.decode(errors="replace"))
