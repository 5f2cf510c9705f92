"""Pages in a real browser: the one that trace writes, and one from serve over verified TLS."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import aiotls
from aiotls.cli.authority import Authority
from aiotls.trace import Recorder
from aiotls.trace.page import render_page

from .chromium import Chromium, find

ROOT = Path(__file__).resolve().parents[2]
pytestmark = [pytest.mark.interop, pytest.mark.slow]

AUTHORITY = Authority.create("aiotls browser test CA")


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home directory whose browser trusts our authority, where certutil is there to say so."""
    directory = tmp_path_factory.mktemp("home")
    certutil = shutil.which("certutil")
    if certutil is not None:
        database = directory / ".pki" / "nssdb"
        database.mkdir(parents=True)
        certificate = directory / "ca.pem"
        certificate.write_bytes(AUTHORITY.certificate_pem)
        place = f"sql:{database}"
        subprocess.run([certutil, "-N", "--empty-password", "-d", place], check=True)
        subprocess.run(
            [certutil, "-A", "-d", place, "-t", "C,,", "-n", "ours", "-i", str(certificate)],
            check=True,
        )
    return directory


@pytest.fixture(scope="module")
def browser(home: Path) -> Iterator[Chromium]:
    program = find()
    if program is None:
        pytest.skip("chromium is not installed")
    chromium = Chromium(program, home)
    yield chromium
    chromium.close()


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Path:
    recorder = Recorder()
    client = aiotls.TLSConnection(
        aiotls.ClientConfig(trust=AUTHORITY.trust(), observer=recorder, key_log=None), "localhost"
    )
    server = aiotls.TLSConnection(
        aiotls.ServerConfig(identity=AUTHORITY.identity("localhost"), key_log=None)
    )
    recorder.mark("TCP connected")
    while not (client.handshake_complete and server.handshake_complete):
        server.receive_data(client.data_to_send())
        client.receive_data(server.data_to_send())
    recorder.mark("application data may flow")
    path = tmp_path_factory.mktemp("page") / "trace.html"
    path.write_text(
        render_page(recorder, title="A handshake", verdict="OK  verified", verified=True)
    )
    return path


@pytest.fixture(scope="module")
def figures(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What the benchmarks draw, of a run in their smallest form."""
    path = tmp_path_factory.mktemp("figures") / "figures.html"
    command = [sys.executable, "-m", "tests.benchmarks", "--smallest", "--page", str(path)]
    command += ["--only", "request|in memory: full|idle memory|live"]
    command += ["--stacks", "tcp,ssl,aiotls", "--loops", "asyncio"]
    subprocess.run(command, check=True, capture_output=True, cwd=ROOT, timeout=100)
    return path


def test_a_click_on_a_flight_opens_its_message(browser: Chromium, page: Path) -> None:
    browser.open(page.as_uri())
    assert browser.run("document.title") == "A handshake"
    count = browser.run("document.querySelectorAll('a.message').length")
    assert count == browser.run("document.querySelectorAll('details').length") >= 7
    assert browser.run("document.querySelectorAll('details[open]').length") == 0
    browser.click("a.message[href='#m1'] text")
    browser.wait_for("document.querySelectorAll('details[open]').length == 1")
    assert "ClientHello" in browser.run("document.querySelector('details[open]').innerText")


def test_a_field_lights_up_its_bytes(browser: Chromium, page: Path) -> None:
    browser.open("about:blank")  # to another fragment of the same page is no navigation
    browser.open(page.as_uri() + "#m1")
    browser.wait_for("document.getElementById('m1').open")
    browser.hover("#m1 tbody tr:nth-child(2) td:nth-child(3)")
    lit = "[...document.querySelectorAll('#m1 span.lit')].map(e => e.textContent)"
    browser.wait_for(f"{lit}.length == 1")
    assert len(browser.run(lit)) == 1
    assert re.fullmatch(r"[0-9a-f]{2}( [0-9a-f]{2}){2}", browser.run(lit)[0])


OUTSIDE = (
    "[...document.querySelectorAll('svg')].flatMap(svg => { const box ="
    " svg.getBoundingClientRect(); return [...svg.querySelectorAll('text')].filter(e => { const r"
    " = e.getBoundingClientRect(); return r.bottom > box.bottom + 1 || r.right > box.right + 1"
    " || r.left < box.left - 1 || r.top < box.top - 1; }).map(e => e.textContent); })"
)
"""The labels that a drawing has no room for."""


def test_the_bars_of_the_benchmarks_have_room_for_their_labels(
    browser: Chromium, figures: Path
) -> None:
    browser.open(figures.as_uri())
    assert browser.run("document.title") == "aiotls: benchmarks"
    # Requests over both versions and with both keys, handshakes in memory, memory, growth.
    assert browser.run("document.querySelectorAll('svg').length") == 6
    assert browser.run(OUTSIDE) == []
    widths = browser.run("[...document.querySelectorAll('rect')].map(e => e.width.baseVal.value)")
    assert min(widths) > 0
    assert browser.run("document.documentElement.scrollWidth <= innerWidth") is True
    requested = [
        event["params"]["request"]["url"]
        for event in browser.events
        if event.get("method") == "Network.requestWillBeSent"
    ]
    assert requested == [figures.as_uri()]


def test_the_drawing_has_room_for_all_its_labels(browser: Chromium, page: Path) -> None:
    browser.open(page.as_uri())
    assert browser.run(OUTSIDE) == []
    overlapping = browser.run(
        "(() => { const boxes = [...document.querySelectorAll('svg a text')].map("
        "e => e.getBoundingClientRect()); return boxes.filter((a, i) => boxes.some((b, j) =>"
        " j > i && a.top < b.bottom - 2 && b.top < a.bottom - 2)).length; })()"
    )
    assert overlapping == 0
    assert browser.run("document.documentElement.scrollWidth <= innerWidth") is True


@pytest.mark.parametrize("which", ["page", "figures"])
def test_a_phone_scrolls_the_drawing_and_not_the_page(
    browser: Chromium, which: str, request: pytest.FixtureRequest
) -> None:
    path: Path = request.getfixturevalue(which)
    metrics = {"width": 390, "height": 844, "deviceScaleFactor": 2, "mobile": True}
    browser.call("Emulation.setDeviceMetricsOverride", **metrics)
    try:
        browser.open(path.as_uri())
        assert browser.run("innerWidth") == 390
        assert browser.run("document.documentElement.scrollWidth") == 390
        assert browser.run("document.querySelector('svg').getBoundingClientRect().width") >= 600
        assert browser.run("getComputedStyle(document.querySelector('svg text')).fontSize >= '12'")
        if which == "page":
            browser.run("document.querySelector('details').open = true")
            assert browser.run("document.documentElement.scrollWidth") == 390
    finally:
        browser.call("Emulation.clearDeviceMetricsOverride")


def luminance(colour: str) -> float:
    """Of a colour as getComputedStyle has it (WCAG 2, relative luminance)."""
    parts = [int(part) / 255 for part in re.findall(r"\d+", colour)[:3]]
    linear = [p / 12.92 if p <= 0.04045 else ((p + 0.055) / 1.055) ** 2.4 for p in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def seen(colour: str, paper: str) -> str:
    """A colour with an opacity behind it, as it comes out on *paper*."""
    text, _, opacity = colour.rpartition(" ")
    share = float(opacity)
    pairs = zip(re.findall(r"\d+", text)[:3], re.findall(r"\d+", paper)[:3], strict=True)
    return ", ".join(f"{round(int(t) * share + int(p) * (1 - share))}" for t, p in pairs)


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("which", ["page", "figures"])
def test_text_stands_out_by_day_and_by_night(
    browser: Chromium, which: str, scheme: str, request: pytest.FixtureRequest
) -> None:
    """WCAG 2, 1.4.3: a contrast of 4.5 at least."""
    path: Path = request.getfixturevalue(which)
    feature = {"name": "prefers-color-scheme", "value": scheme}
    browser.call("Emulation.setEmulatedMedia", features=[feature])
    try:
        browser.open(path.as_uri())
        browser.run("document.querySelectorAll('details').forEach(e => e.open = true)")
        colours = browser.run(
            "[...document.querySelectorAll('h1, p, li, summary, small, td, code, text, tspan')]"
            ".map(e => { const s = getComputedStyle(e); let opacity = 1;"
            " for (let a = e; a; a = a.parentElement) opacity *= getComputedStyle(a).opacity;"
            " return [e.closest('svg') ? s.fill : s.color, opacity.toFixed(2)].join(' '); })"
        )
        paper = browser.run(
            "(() => { const e = document.createElement('i'); e.style.color = 'Canvas';"
            " document.body.append(e); const own = getComputedStyle(document.body)"
            ".backgroundColor; return /, 0\\)$/.test(own) ? getComputedStyle(e).color : own; })()"
        )
        for colour in set(colours):
            text = seen(colour, paper)
            brighter, darker = sorted((luminance(text), luminance(paper)), reverse=True)
            assert (brighter + 0.05) / (darker + 0.05) >= 4.5, (colour, paper)
    finally:
        browser.call("Emulation.setEmulatedMedia", features=[])


def test_nothing_goes_wrong_in_the_page(browser: Chromium, page: Path) -> None:
    browser.open(page.as_uri())
    bad = [
        event
        for event in browser.events
        if event.get("method") in ("Runtime.exceptionThrown", "Log.entryAdded")
    ]
    assert bad == []
    requested = [
        event["params"]["request"]["url"]
        for event in browser.events
        if event.get("method") == "Network.requestWillBeSent"
    ]
    assert requested == [page.as_uri()]


def test_chromium_loads_a_page_over_verified_tls(browser: Chromium, tmp_path: Path) -> None:
    if shutil.which("certutil") is None:
        pytest.skip("certutil, which has Chromium trust an authority, is not installed")
    public = tmp_path / "public"
    public.mkdir()
    (public / "index.html").write_text("<title>served</title><h1>over TLS</h1>")
    issued = AUTHORITY.issue("localhost")
    (tmp_path / "cert.pem").write_bytes(issued.chain_pem)
    (tmp_path / "key.pem").write_bytes(issued.key_pem)
    server = subprocess.Popen(
        [
            *(sys.executable, "-m", "aiotls", "serve", str(public), "--port", "0"),
            *("--cert", str(tmp_path / "cert.pem"), "--key", str(tmp_path / "key.pem")),
        ],
        stdout=subprocess.PIPE,
        text=True,
        cwd=ROOT,
    )
    try:
        assert server.stdout is not None
        first = server.stdout.readline()
        found = re.search(r" on \S+:(\d+)", first)
        assert found, first
        result = browser.open(f"https://localhost:{found[1]}/")
        assert "errorText" not in result, result
        assert browser.run("document.title") == "served"
        details = next(
            event["params"]["response"]["securityDetails"]
            for event in browser.events
            if event.get("method") == "Network.responseReceived"
        )
    finally:
        server.kill()
        server.communicate()
    assert details["protocol"] == "TLS 1.3"
    assert details["issuer"] == "aiotls browser test CA"
    assert "X25519MLKEM768" in details["keyExchangeGroup"]
