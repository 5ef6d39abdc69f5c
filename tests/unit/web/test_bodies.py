"""JSON bodies: bounded before they are parsed."""

from __future__ import annotations

import json

import pytest

from domain.errors import BadInput
from web.bodies import MAX_DEPTH, MAX_DIGITS, MAX_KEYS, parse


def test_an_object_is_read() -> None:
    assert parse(b'{"a": [1, 2.5, "x\\"[[", null, true]}') == {"a": [1, 2.5, 'x"[[', None, True]}


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"[]",
        b'"a"',
        b"{",
        b'{"a": NaN}',
        b'{"a": Infinity}',
        b'{"a": 1, "a": 2}',
        b'{"a": {"b": 1, "b": 2}}',
        b'{"a": "\xff"}',
        b'{"a": ' + b"1" * (MAX_DIGITS + 1) + b"}",
        b'{"a": 0.' + b"1" * MAX_DIGITS + b"}",
        b'{"a": ' + b"[" * MAX_DEPTH + b"]" * MAX_DEPTH + b"}",
        b"[" * 200_000,
        json.dumps({str(n): n for n in range(MAX_KEYS + 1)}).encode(),
        json.dumps({"a": [{"k": n} for n in range(MAX_KEYS)]}).encode(),
    ],
)
def test_anything_else_is_refused(raw: bytes) -> None:
    with pytest.raises(BadInput):
        parse(raw)
