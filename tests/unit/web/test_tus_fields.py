"""The fields of tus, strictly: what clients send, and what no number, base64 or address of ours is (S-42)."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from aiohttp.test_utils import make_mocked_request

from domain.errors import BadInput
from domain.upload import Checksum
from web import tus_fields as fields


def asked(*headers: tuple[str, str]):
    from multidict import CIMultiDict

    return make_mocked_request("POST", "/", headers=CIMultiDict(headers))


@pytest.mark.parametrize("text", ["0", "7", "007", str(2**53 - 1)])
def test_plain_decimals_are_numbers(text):
    assert fields.number(asked((fields.OFFSET, text)), fields.OFFSET) == int(text)


@pytest.mark.parametrize(
    "text", ["+5", "5.0", " 5", "5 ", "٥", "-1", "", "1_000", "0x10", "1e3", "²", str(2**53), "9" * 400]
)
def test_nothing_else_is_a_number(text):
    with pytest.raises(BadInput) as refused:
        fields.number(asked((fields.OFFSET, text)), fields.OFFSET)
    assert refused.value.field == fields.OFFSET


def test_a_field_that_is_absent_has_no_value_and_one_that_is_there_twice_is_refused():
    assert fields.number(asked(), fields.OFFSET) is None
    with pytest.raises(BadInput):
        fields.number(asked((fields.OFFSET, "1"), (fields.OFFSET, "1")), fields.OFFSET)


def test_the_length_may_be_deferred_by_one_word_only():
    assert fields.deferred(asked((fields.DEFER, "1")))
    assert not fields.deferred(asked())
    for text in ("0", "true", "", "11"):
        with pytest.raises(BadInput):
            fields.deferred(asked((fields.DEFER, text)))


@pytest.mark.parametrize("text", ["", " "])
def test_empty_metadata_is_none_as_tuspy_sends_it(text):
    assert fields.raw_metadata(asked((fields.METADATA, text))) is None
    assert fields.metadata(None) == {}


@pytest.mark.parametrize(
    "raw, pairs",
    [
        ("filename aGVq", {"filename": b"hej"}),
        ("Filename aGVq,Content-Type dGV4dA==", {"filename": b"hej", "content-type": b"text"}),
        ("name w7Y=,flag", {"name": "ö".encode(), "flag": b""}),
        ("flag ,other", {"flag": b"", "other": b""}),
        ("a aGVq, b aGVq", {"a": b"hej", "b": b"hej"}),
        ("name AAH/", {"name": b"\x00\x01\xff"}),
    ],
)
def test_metadata_is_pairs_of_any_bytes(raw, pairs):
    assert fields.metadata(raw) == pairs


@pytest.mark.parametrize(
    "raw",
    [
        "filename !!!!",
        "filename aGV",
        "filename aGVq=",
        "filename aG Vq",
        "a aGVq,a aGVq",
        ",",
        "a aGVq,",
        "ö aGVq",
        "a a-_q",
        "a " + "A" * 4096,
    ],
)
def test_metadata_that_is_none_is_refused(raw):
    with pytest.raises(BadInput) as refused:
        fields.metadata(raw)
    assert refused.value.field == fields.METADATA


def test_a_checksum_is_an_algorithm_and_a_digest_of_its_length():
    assert fields.checksum(asked((fields.CHECKSUM, "crc32 AAAAAQ=="))) == Checksum("crc32", b"\0\0\0\1")
    assert fields.checksum(asked()) is None
    for text in ("md5 AAAAAQ==", "sha1 AAAAAQ==", "sha1", "SHA1 AAAA", "", "sha1 !!", "crc32  AAAAAQ=="):
        with pytest.raises(BadInput):
            fields.checksum(asked((fields.CHECKSUM, text)))


@pytest.mark.parametrize(
    "address",
    [
        "https://files.example/u/uLINK/files/fONE",
        "http://another.name:81/u/uLINK/files/fONE?x=1",
        "/u/uLINK/files/fONE",
        "https://files.example/base/u/uLINK/files/fONE",
        "/base/u/uLINK/files/fONE",
    ],
)
def test_a_piece_is_known_by_its_path_alone(address):
    found = fields.concat(asked((fields.CONCAT, f"final;{address} {address}")), "/base", "uLINK")
    assert found is not None
    assert found.parts == ("fONE", "fONE")


@pytest.mark.parametrize(
    "text",
    [
        "final;",
        "final; ",
        "final",
        "Partial",
        "partial;",
        "",
        "final;/u/uOTHER/files/fONE",
        "final;/u/uLINK/files/",
        "final;/u/uLINK/files/fONE/more",
        "final;/u/uLINK/put/fONE",
        "final;//u/uLINK/files/fONE",
        "final;/x/u/uLINK/files/fONE",
        "final;http://[::1/u/uLINK/files/fONE",
        "final;" + "/u/uLINK/files/fONE " * (fields.MAX_PARTS + 1),
    ],
)
def test_what_is_no_upload_of_this_link_is_no_piece(text):
    with pytest.raises(BadInput) as refused:
        fields.concat(asked((fields.CONCAT, text)), "", "uLINK")
    assert refused.value.field == fields.CONCAT


def test_a_partial_upload_says_so():
    found = fields.concat(asked((fields.CONCAT, "partial")), "", "uLINK")
    assert found == fields.Concat(None, "partial")


def test_times_are_written_as_http_writes_them():
    assert fields.http_date(datetime(2014, 6, 25, 16, 0, 0, 999, UTC)) == "Wed, 25 Jun 2014 16:00:00 GMT"


def test_extensions_are_joined_without_a_space_for_clients_that_do_not_trim():
    from web.tus import options

    assert options(5)["Tus-Extension"].count(" ") == 0
    assert options(5)["Tus-Max-Size"] == "5"


@pytest.mark.parametrize(
    "path, inside",
    [("/u/x/files", True), ("/u/x/files/y", True), ("/u/x", False), ("/u/x/put/y", False), ("/x/u/x/files", False)],
)
def test_the_space_of_uploads_is_known_by_its_path(path, inside):
    assert fields.is_upload_space(path) is inside
