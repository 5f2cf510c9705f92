"""Server names: their normal form, and what is none."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aiotls.errors import UsageError
from aiotls.trust import check_name
from aiotls.trust.names import covers, parse_address


@pytest.mark.parametrize(
    ("name", "normal"),
    [
        ("example.com", "example.com"),
        ("EXAMPLE.Com", "example.com"),
        ("example.com.", "example.com"),
        ("localhost", "localhost"),
        ("a-b.example", "a-b.example"),
        ("1.example", "1.example"),
        ("123", None),
        ("xn--mnchen-3ya.example", "xn--mnchen-3ya.example"),
        ("München.example", "xn--mnchen-3ya.example"),
        ("例え。テスト", "xn--r8jz45g.xn--zckzah"),
        ("192.0.2.1", "192.0.2.1"),
        ("2001:DB8:0:0::1", "2001:db8::1"),
        ("::1", "::1"),
        ("fe80::1%eth0", "fe80::1"),
        ("a" * 63 + ".example", "a" * 63 + ".example"),
    ],
)
def test_the_normal_form(name: str, normal: str | None) -> None:
    if normal is None:
        with pytest.raises(UsageError):
            check_name(name)
    else:
        assert check_name(name) == normal
        assert check_name(normal) == normal


@pytest.mark.parametrize(
    ("name", "why", "hint"),
    [
        ("", "empty", None),
        (".", "empty|dot", None),
        (".example.com", "begins with a dot", None),
        ("example..com", "label is empty", None),
        ("example.com..", "label is empty", None),
        ("my_host.example", "underscore", "without underscores"),
        ("*.example.com", "wildcard", None),
        ("exa mple.com", "other than letters", None),
        ("example.com\0.evil.example", "other than letters", None),
        ("example.com\n", "other than letters", None),
        ("-example.com", "hyphen", None),
        ("example-.com", "hyphen", None),
        ("https://example.com/", "other than letters", "host alone"),
        ("example.com:443", "other than letters", "without the port: 'example.com'"),
        ("[::1]", "other than letters", "without brackets"),
        ("[::1]:443", "other than letters", "without brackets"),
        ("127.1", "number", None),
        ("1.2.3.256", "number", None),
        ("a" * 64 + ".example", "64 characters; at most 63", None),
        (".".join(["abcdefg"] * 32), "255 characters", None),
        ("ü" * 64 + ".example", "internationalised", None),
    ],
)
def test_what_is_no_server_name(name: str, why: str, hint: str | None) -> None:
    with pytest.raises(UsageError, match=why) as caught:
        check_name(name)
    if hint is not None:
        assert hint in (caught.value.hint or "")


def test_names_are_text() -> None:
    with pytest.raises(UsageError, match="not bytes"):
        check_name(b"example.com")  # type: ignore[arg-type]


@given(st.text(max_size=80))
def test_any_text_is_a_name_or_a_usage_error(name: str) -> None:
    try:
        normal = check_name(name)
    except UsageError:
        return
    assert normal.isascii()
    assert check_name(normal) == normal


@pytest.mark.parametrize(
    ("pattern", "name", "expected"),
    [
        ("example.com", "example.com", True),
        ("example.com", "www.example.com", False),
        ("*.example.com", "www.example.com", True),
        ("*.example.com", "example.com", False),
        ("*.example.com", "a.b.example.com", False),
        ("*.example.com", ".example.com", False),
        ("w*.example.com", "www.example.com", False),
        ("*", "localhost", False),
        ("*.", "localhost", False),
    ],
)
def test_what_a_name_in_a_certificate_covers(pattern: str, name: str, expected: bool) -> None:
    assert covers(pattern, name) is expected


def test_addresses() -> None:
    assert str(parse_address("192.0.2.1")) == "192.0.2.1"
    assert str(parse_address("::ffff:192.0.2.1")) in ("::ffff:c000:201", "::ffff:192.0.2.1")
    for name in ("example.com", "", "a.1", "192.0.2.1.example", "::g"):
        assert parse_address(name) is None


def test_a_name_that_is_not_verified_may_have_underscores() -> None:
    assert check_name("My_Host.example.", verified=False) == "my_host.example"
    with pytest.raises(UsageError, match="other than letters"):
        check_name("my host", verified=False)
