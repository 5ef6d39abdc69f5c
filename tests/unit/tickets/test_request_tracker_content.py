"""A file out of JSON, in whatever pieces it comes."""

from __future__ import annotations

import base64
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.errors import DeskUnavailable
from tickets.request_tracker_content import content


def answer(data, **fields):
    body = base64.encodebytes(data).decode()
    return json.dumps({"Headers": 'X: "Content" : "aGVq"', **fields, "Content": body, "id": 7}, indent=3).encode()


@given(data=st.binary(max_size=400), size=st.integers(1, 50), name=st.text(max_size=20), slashes=st.booleans())
def test_it_is_the_file_however_it_is_cut(data, size, name, slashes):
    said = answer(data, Filename=name)
    said = said.replace(b"/", b"\\/") if slashes else said
    assert b"".join(content(said[at : at + size] for at in range(0, len(said), size))) == data


@pytest.mark.parametrize("said", [b'{"Content": null}', b'{"id": 7}', b""])
def test_no_content_is_an_empty_file(said):
    assert b"".join(content(iter([said]))) == b""


@pytest.mark.parametrize("said", [answer(b"x" * 300)[:-200], b'{"Content": "aGVq%%%%"}', b'{"Content": "aGV"}'])
def test_what_breaks_off_or_is_no_base64_is_no_file(said):
    with pytest.raises(DeskUnavailable):
        b"".join(content(iter([said])))
