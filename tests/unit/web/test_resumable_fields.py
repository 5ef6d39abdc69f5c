"""Fields of the IETF draft: structured values, and a wrong type is as good as none."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any

import pytest
from aiohttp.test_utils import make_mocked_request
from multidict import CIMultiDict

from domain.errors import BadInput
from web import resumable_fields as fields


def asked(*headers: tuple[str, str]):
    return make_mocked_request("POST", "/", headers=CIMultiDict(headers))


@pytest.mark.parametrize(
    "text, found",
    [("?1", True), ("?0", False), ("?1;x=2", True), ("1", None), ("true", None), ("", None), ("?1, ?0", None)],
)
def test_a_boolean_is_one_or_it_is_nothing(text, found):
    assert fields.boolean(asked((fields.COMPLETE, text)), fields.COMPLETE) is found


@pytest.mark.parametrize("text, found", [("0", 0), ("12", 12), ("1.0", None), ('"1"', None), ("?1", None), ("x", None)])
def test_so_is_an_integer(text, found):
    assert fields.integer(asked((fields.OFFSET, text)), fields.OFFSET) == found


def test_a_negative_offset_is_refused():
    with pytest.raises(BadInput):
        fields.integer(asked((fields.OFFSET, "-1")), fields.OFFSET)


@pytest.mark.parametrize(
    "text, version", [("8", 8), ("6", 6), ("5", 5), ("9", None), ("3", None), ("?1", None), ("", None)]
)
def test_only_versions_that_are_spoken_match(text, version):
    assert fields.interop(asked((fields.INTEROP, text))) == version


@pytest.mark.parametrize(
    "text, name",
    [
        ("inline; filename*=UTF-8''n%C3%A4%20b.txt", "nä b.txt".encode()),
        ("inline; filename=\"a.txt\"; filename*=utf-8'sv'%C3%B6.txt", "ö.txt".encode()),
        ('attachment; filename="a b.txt"', b"a b.txt"),
        ("inline", b""),
        ("inline; filename*=UTF-8''%FF", b"\xff"),
        ("garbage;;;==", b""),
    ],
)
def test_the_file_name_is_what_the_disposition_says(text, name):
    assert fields.file_name(asked(("Content-Disposition", text))) == name


def test_without_a_disposition_there_is_no_name():
    assert fields.file_name(asked()) == b""


def test_limits_are_a_dictionary_of_integers():
    now = datetime(2026, 1, 1, tzinfo=UTC)

    upload: Any = SimpleNamespace(expires_at=now + timedelta(hours=1))

    assert fields.limit(7) == "max-size=7, min-size=0"
    assert fields.limit(7, upload, now) == "max-size=7, min-size=0, max-age=3600"
    assert fields.limit(7, upload, now + timedelta(hours=2)) == "max-size=7, min-size=0, max-age=0"
