"""Every word that an error, an alert or a trace can say is explained."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from aiotls.enums import Alert, ExtensionType, HandshakeType
from aiotls.trace import glossary
from aiotls.trace.reasons import REASONS

PACKAGE = Path(glossary.__file__).parents[1]


def reasons_in_the_source() -> set[str]:
    """The literals that errors are made with."""
    found: set[str] = set()
    for path in PACKAGE.rglob("*.py"):
        found |= set(re.findall(r"\breason=\"([A-Z0-9_]+)\"", path.read_text()))
    return found


def test_every_reason_is_explained() -> None:
    reasons = reasons_in_the_source()
    assert len(reasons) > 50
    assert sorted(reasons - set(REASONS)) == []


@pytest.mark.parametrize("name", REASONS)
def test_a_reason_is_explained_in_sentences(name: str) -> None:
    text = REASONS[name]
    assert len(text) > 10
    assert text.endswith((".", "?"))
    assert "  " not in text


@pytest.mark.parametrize("kind", [Alert, ExtensionType, HandshakeType])
def test_every_code_point_has_an_entry(kind: type[Alert]) -> None:
    words = {"Alert": "alert", "ExtensionType": "extension", "HandshakeType": "message"}
    codes = {entry.code for entry in glossary.ENTRIES if entry.kind == words[kind.__name__]}
    assert [member.name for member in kind if int(member) not in codes] == []
