"""Digest fields: what is fit, what is passed over, what is refused (RFC 9530)."""

from __future__ import annotations

import base64
import hashlib

import pytest
from aiohttp.test_utils import make_mocked_request
from multidict import CIMultiDict

from domain.errors import BadInput, ChecksumMismatch
from domain.upload import Checksum
from web import digests

SHA256, SHA512 = hashlib.sha256(b"hej").digest(), hashlib.sha512(b"hej").digest()
ONE, OTHER = base64.b64encode(SHA256).decode(), base64.b64encode(SHA512).decode()


def asked(*headers: tuple[str, str]):
    return make_mocked_request("PUT", "/", headers=CIMultiDict(headers))


@pytest.mark.parametrize(
    "text, found",
    [
        (f"sha-256=:{ONE}:", Checksum("sha256", SHA256)),
        (f"sha-512=:{OTHER}:", Checksum("sha512", SHA512)),
        (f"sha-512=:{OTHER}:, sha-256=:{ONE}:", Checksum("sha256", SHA256)),
        (f"md5=:AAAA:, sha-512=:{OTHER}:", Checksum("sha512", SHA512)),
        ("md5=:AAAA:, unixsum=30637", None),
        ("", None),
    ],
)
def test_the_cheapest_fit_digest_is_taken_and_unfit_ones_are_passed_over(text, found):
    assert digests.announced(asked((digests.CONTENT, text)), digests.CONTENT) == found


@pytest.mark.parametrize("text", [f"sha-256={ONE}", "sha-256=:AAAA:", "sha-256", "sha-256=:!!:", "=", "sha-256=(1 2)"])
def test_what_is_no_digest_is_refused(text):
    with pytest.raises(BadInput) as refused:
        digests.announced(asked((digests.REPR, text)), digests.REPR)
    assert refused.value.field == digests.REPR


def test_lines_of_one_field_are_one_dictionary():
    request = asked((digests.CONTENT, "md5=:AAAA:"), (digests.CONTENT, f"sha-256=:{ONE}:"))
    assert digests.announced(request, digests.CONTENT) == Checksum("sha256", SHA256)


def test_a_whole_file_is_held_against_both_fields():
    same = asked((digests.CONTENT, f"sha-256=:{ONE}:"), (digests.REPR, f"sha-256=:{ONE}:"))
    assert digests.whole(same) == (Checksum("sha256", SHA256),)
    both = asked((digests.CONTENT, f"sha-512=:{OTHER}:"), (digests.REPR, f"sha-256=:{ONE}:"))
    assert digests.whole(both) == (Checksum("sha512", SHA512), Checksum("sha256", SHA256))


@pytest.mark.parametrize(
    "text, wanted",
    [
        ("sha-256=10", True),
        ("sha-512=3, sha-256=1", True),
        ("sha-256=0", False),
        ("sha-256=11", False),
        ("sha-512=10", False),
        ("sha-256", False),
        (";;", False),
    ],
)
def test_a_digest_is_told_to_whoever_wants_it(text, wanted):
    assert digests.repr_wanted(asked((digests.WANTED, text))) is wanted
    assert digests.repr_field(SHA256) == {"Repr-Digest": f"sha-256=:{ONE}:"}


def test_bytes_are_held_against_the_digest_behind_the_last_one():
    right = digests.Verifying([Checksum("sha512", SHA512)])
    assert list(right.through([b"h", memoryview(b"ej")])) == [b"h", b"ej"]
    wrong = digests.Verifying([Checksum("sha512", SHA512)])
    seen: list[object] = []
    with pytest.raises(ChecksumMismatch):
        seen.extend(wrong.through([b"h", b"e"]))
    cut = digests.Verifying([Checksum("sha512", SHA512)]).through([b"h"])
    assert next(iter(cut)) == b"h"


async def test_on_the_loop_too():
    async def chunks():
        yield b"hej"
        yield b"!"

    with pytest.raises(ChecksumMismatch):
        [one async for one in digests.Verifying([Checksum("sha256", SHA256)]).passing(chunks())]
