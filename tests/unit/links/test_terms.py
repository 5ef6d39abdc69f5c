"""What may be asked of a link, and which field is named when it is wrong."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.errors import BadInput
from links import terms

NOW = datetime(2026, 1, 31, 12, 0, tzinfo=UTC)


def expiry(expires_in=None, expires_at=None):
    return terms.expiry(NOW, expires_in, expires_at, default=timedelta(days=14), longest=timedelta(days=365))


@pytest.mark.parametrize(
    ("asked", "expected"),
    [
        ("PT1H", NOW + timedelta(hours=1)),
        ("P14D", NOW + timedelta(days=14)),
        ("P2W", NOW + timedelta(days=14)),
        ("P1M", datetime(2026, 2, 28, 12, 0, tzinfo=UTC)),
        ("P1Y", datetime(2027, 1, 31, 12, 0, tzinfo=UTC)),
        ("P1DT12H30M5S", NOW + timedelta(days=1, hours=12, minutes=30, seconds=5)),
        ("P365D", NOW + timedelta(days=365)),
    ],
)
def test_a_duration_is_added_by_the_calendar(asked, expected):
    assert expiry(asked) == expected


@pytest.mark.parametrize(
    "asked",
    [
        "",
        "P",
        "PT",
        "P1DT",
        "14D",
        "-P1D",
        "P-1D",
        "P1.5D",
        "P0D",
        "PT0S",
        "P366D",
        "P2Y",
        "P99999Y",
        "p1d",
        "P1D ",
        "1",
        "P1S",
        "PT1D",
        "P٣D",
        "P1M1Y",
        "P9999999D",
        "P1D\n",
        "P0Y0M0W0DT0H0M0S",
    ],
)
def test_any_other_duration_is_refused_by_its_field(asked):
    with pytest.raises(BadInput) as refused:
        expiry(asked)
    assert refused.value.field == "expires_in"


@pytest.mark.parametrize(
    "asked",
    [
        "2026-02-01T00:00:00Z",
        "2026-02-01T02:00:00+02:00",
        datetime(2026, 2, 1, tzinfo=UTC),
        datetime(2026, 2, 1, 2, tzinfo=timezone(timedelta(hours=2))),
    ],
)
def test_an_instant_is_taken_in_any_zone(asked):
    assert expiry(None, asked) == datetime(2026, 2, 1, tzinfo=UTC)


@pytest.mark.parametrize(
    "asked",
    [
        "",
        "2026-02-01",
        "2026-02-01T00:00:00",
        "soon",
        "2026-01-31T12:00:00Z",
        "2020-01-01T00:00:00Z",
        "2027-02-01T00:00:00Z",
        datetime(2026, 2, 1),  # noqa: DTZ001 (naive on purpose)
    ],
)
def test_any_other_instant_is_refused_by_its_field(asked):
    with pytest.raises(BadInput) as refused:
        expiry(None, asked)
    assert refused.value.field == "expires_at"


def test_one_says_how_long_or_until_when_and_not_both():
    with pytest.raises(BadInput):
        expiry("P1D", "2026-02-01T00:00:00Z")


def test_who_says_nothing_gets_the_sites_default():
    assert expiry() == NOW + timedelta(days=14)
    short = terms.expiry(NOW, None, None, default=timedelta(days=14), longest=timedelta(days=3))
    assert short == NOW + timedelta(days=3)


@given(st.text(max_size=20))
def test_no_text_makes_a_link_that_is_over_or_lives_too_long(text):
    try:
        at = expiry("P" + text)
    except BadInput:
        return
    assert NOW < at <= NOW + timedelta(days=365)


@pytest.mark.parametrize("value", [0, -1, 10**7, True])
def test_a_count_is_at_least_one(value):
    with pytest.raises(BadInput) as refused:
        terms.count(value, "max_files")
    assert refused.value.field == "max_files"
    assert terms.count(1, "max_files") == 1
    assert terms.count(None, "max_files") is None


@pytest.mark.parametrize("value", [0, -1, 2**53, False])
def test_a_size_is_at_least_one(value):
    with pytest.raises(BadInput) as refused:
        terms.size(value, "max_bytes")
    assert refused.value.field == "max_bytes"
    assert terms.size(2**53 - 1, "max_bytes") == 2**53 - 1


def test_types_are_media_types_and_extensions_each_once():
    asked = [" .PDF", "image/*", ".pdf", "Image/PNG", ".tar.gz", "application/vnd.ms-excel"]
    assert terms.types(asked) == (".pdf", "image/*", "image/png", ".tar.gz", "application/vnd.ms-excel")


@pytest.mark.parametrize(
    "value",
    ["", "pdf", ".", "*/*", "image", "image/", "/png", ".a b", ".p/df", "image/p ng", "a;b/c", ".å", "image/**"],
)
def test_any_other_type_is_refused(value):
    with pytest.raises(BadInput) as refused:
        terms.types([value])
    assert refused.value.field == "allowed_types"


def test_types_are_not_without_number():
    terms.types([f".a{number}" for number in range(50)])
    with pytest.raises(BadInput):
        terms.types([f".a{number}" for number in range(51)])


@pytest.mark.parametrize("value", ["sv", "en-GB", "zh-Hant-TW", None])
def test_a_language_is_a_tag(value):
    assert terms.language(value) == value


@pytest.mark.parametrize("value", ["", "s", "svenska språket", "sv_SE", "en-", "x" * 50, "sv\n"])
def test_any_other_language_is_refused(value):
    with pytest.raises(BadInput) as refused:
        terms.language(value)
    assert refused.value.field == "language"


def test_a_note_is_text_of_some_length():
    assert terms.note("  Hej!\r\nRad två\t ") == "Hej!\r\nRad två"
    assert terms.note("  ") is None
    for bad in ("x" * 2001, "a\0b", "a\x1bb"):
        with pytest.raises(BadInput) as refused:
            terms.note(bad)
        assert refused.value.field == "note"


@pytest.mark.parametrize("value", ["a@example.org", "åsa.ö+x@exämple.org", " a@b "])
def test_a_recipient_is_one_address(value):
    assert terms.recipient(value) == value.strip()


@pytest.mark.parametrize(
    "value",
    ["", "a", "@b", "a@", "a b@c", "a@b,c@d", "a@b\r\nBcc: c@d", "A <a@b>", "a@b@c", '"a"@b', "a@b;c", "x" * 65 + "@b"],
)
def test_any_other_recipient_is_refused(value):
    with pytest.raises(BadInput) as refused:
        terms.recipient(value)
    assert refused.value.field == "recipient"
