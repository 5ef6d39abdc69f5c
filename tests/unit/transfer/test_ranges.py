"""Range and If-Range, case by case as RFC 9110 §14 has them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.errors import RangeNotSatisfiable
from transfer.ranges import parse_range, select

SIZE = 10_000


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        ("bytes=0-499", (0, 500)),
        ("bytes=500-999", (500, 1000)),
        ("bytes=-500", (9500, 10_000)),
        ("bytes=9500-", (9500, 10_000)),
        ("bytes=0-0", (0, 1)),
        ("bytes=-1", (9999, 10_000)),
        ("bytes=0-", (0, 10_000)),
        ("bytes=9999-9999", (9999, 10_000)),
        ("bytes=9999-99999999999999", (9999, 10_000)),
        ("bytes=-99999999999999", (0, 10_000)),
        ("BYTES=1-2", (1, 3)),
        ("bytes= 1-2 ", (1, 3)),
        ("bytes=0000000000000000001-2", (1, 3)),
    ],
)
def test_one_range_of_bytes_is_understood(header, expected):
    assert parse_range(header, SIZE) == expected


@pytest.mark.parametrize(
    "header",
    [
        "",
        "bytes",
        "bytes=",
        "bytes=-",
        "bytes=a-b",
        "bytes=1",
        "bytes=5-4",
        "bytes=0-1,3-4",
        "bytes=0-1,",
        ",bytes=0-1",
        "bytes=0-1, -1",
        "bytes 0-1",
        "bytes =0-1",
        "items=0-1",
        "bytes=1 -2",
        "bytes=1- 2",
        "bytes=+1-2",
        "bytes=1-+2",
        "bytes=--1",
        "bytes=0x0-0x1",
        "bytes=1_0-20",
        "bytes=٠-١",
        "bytes=0-1\n",
        "bytes=0-1;x",
        "bytes=" + "9" * 20 + "-",
        "bytes=0-" + "9" * 20,
    ],
)
def test_whatever_else_is_ignored(header):
    assert parse_range(header, SIZE) is None


@pytest.mark.parametrize("header", ["bytes=-0", "bytes=10000-", "bytes=10000-10001", "bytes=99999999999999-"])
def test_a_range_outside_the_file_is_refused_with_its_size(header):
    with pytest.raises(RangeNotSatisfiable) as refused:
        parse_range(header, SIZE)
    assert refused.value.facts == {"size": SIZE}


@pytest.mark.parametrize("header", ["bytes=0-", "bytes=0-0", "bytes=-1", "bytes=-0"])
def test_an_empty_file_has_no_range(header):
    with pytest.raises(RangeNotSatisfiable):
        parse_range(header, 0)


@given(st.text(max_size=40), st.integers(0, 10**6))
def test_no_text_is_anything_but_a_range_inside_ignored_or_refused(text, size):
    for header in (text, "bytes=" + text):
        try:
            found = parse_range(header, size)
        except RangeNotSatisfiable:
            continue
        assert found is None or 0 <= found[0] < found[1] <= size


@pytest.mark.parametrize(
    ("if_range", "honoured"),
    [
        (None, True),
        ('"abc"', True),
        (' "abc" ', True),
        ('W/"abc"', False),
        ('"abd"', False),
        ("abc", False),
        ("", False),
        ("Sat, 29 Oct 1994 19:43:31 GMT", False),
        ('"abc", "abc"', False),
    ],
)
def test_a_range_counts_only_for_the_very_same_content(if_range, honoured):
    found = select("bytes=1-2", if_range, size=SIZE, etag='"abc"')
    assert found == ((1, 3) if honoured else None)


def test_a_range_that_does_not_count_is_not_refused_either():
    assert select("bytes=-0", '"other"', size=SIZE, etag='"abc"') is None


def test_without_a_range_the_whole_is_sent():
    assert select(None, '"abc"', size=SIZE, etag='"abc"') is None
