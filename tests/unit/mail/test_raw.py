from __future__ import annotations

from hashlib import sha256

import pytest

from mail.raw import RawMessage


def fed(raw: bytes, size: int) -> RawMessage:
    return RawMessage(raw[at : at + size] for at in range(0, len(raw), size))


@pytest.mark.parametrize("size", [1, 2, 3, 5, 100])
@pytest.mark.parametrize(
    ("body", "before", "rest"),
    [
        (b"one\r\n--b\r\ntwo", b"one", b"two"),
        (b"--b\r\ntwo", b"", b"two"),
        (b"\r\n--b  \r\ntwo", b"", b"two"),
        (b"a\n--b\ntwo", b"a", b"two"),
        (b"--c\r\n--bb\r\n -- b\r\nx--b\r\n--b\r\n", b"--c\r\n--bb\r\n -- b\r\nx--b", b""),
        (b"\n\n--b", b"\n", b""),
        (b"a\r\n--b--\r\nend", b"a", b"end"),
    ],
)
def test_a_body_ends_before_the_delimiter_and_its_line_break(body, before, rest, size):
    raw = fed(b"X: y\r\n\r\n" + body, size)
    assert raw.header() == b"X: y\r\n\r\n"
    assert b"".join(raw.body([b"b"])) == before
    assert raw.hit.closing == (b"--b--" in body)
    assert before + raw.hit.raw + rest == body
    raw.proceed()
    assert b"".join(raw.body()) == rest
    assert raw.digest == sha256(b"X: y\r\n\r\n" + body).digest()


@pytest.mark.parametrize("size", [1, 4, 100])
def test_the_innermost_boundary_counts_and_an_outer_one_ends_all(size):
    raw = fed(b"a\r\n--in\r\nb\r\n--out--\r\n", size)
    assert (b"".join(raw.body([b"out", b"in"])), raw.hit.index) == (b"a", 1)
    raw.proceed()
    assert (b"".join(raw.body([b"out", b"in"])), raw.hit.index, raw.hit.closing) == (b"b", 0, True)


@pytest.mark.parametrize("size", [1, 100])
def test_a_header_ends_at_a_delimiter_too_and_then_has_no_body(size):
    raw = fed(b"X: y\r\n--b\r\nrest", size)
    assert raw.header([b"b"]) == b"X: y\r\n"
    assert list(raw.body([b"b"])) == []
    assert raw.hit.raw == b"--b\r\n"


def test_a_line_without_end_is_not_waited_for():
    raw = fed(b"\n--" + b"b" * 1_000_000, 1000)
    pieces = list(raw.body([b"x"]))
    assert max(map(len, pieces)) <= 3000
    assert b"".join(pieces) == b"\n--" + b"b" * 1_000_000
