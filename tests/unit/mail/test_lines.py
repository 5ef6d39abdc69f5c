from __future__ import annotations

import pytest

from mail.lines import Undotting


def taken(wire: bytes, size: int) -> tuple[bytes, bytes, bool]:
    undotting, out, at = Undotting(), b"", 0
    while at < len(wire) and not undotting.ended:
        out += undotting.feed(wire[at : at + size])
        at += size
    return out, undotting.rest + wire[at:], undotting.ended


@pytest.mark.parametrize("size", [1, 2, 3, 4, 5, 100])
@pytest.mark.parametrize(
    ("wire", "message"),
    [
        (b".\r\n", b""),
        (b"a\r\n.\r\n", b"a\r\n"),
        (b"\r\n.\r\n", b"\r\n"),
        (b"..\r\n...\r\n.\r\n", b".\r\n..\r\n"),
        (b"a\n.\nb\r\n.\r\n", b"a\n.\nb\r\n"),
        (b"a\r.\r\r\n.\r\n", b"a\r.\r\r\n"),
        (b"a\r\n\r\n.\r\n", b"a\r\n\r\n"),
    ],
)
def test_a_message_ends_at_its_dot_and_nowhere_else(wire, message, size):
    assert taken(wire + b"QUIT\r\n", size) == (message, b"QUIT\r\n", True)


def test_what_breaks_off_has_not_ended():
    assert taken(b"a\r\n.", 2) == (b"a", b"", False)
