from __future__ import annotations

import base64
import quopri
import time

import pytest

from mail.coding import decoded


def undone(text: bytes, coding: str, size: int) -> bytes:
    return b"".join(decoded((text[at : at + size] for at in range(0, len(text), size)), coding))


CONTENT = bytes(range(256)) * 5


@pytest.mark.parametrize("size", [1, 3, 64, 5000])
def test_base64_is_undone_however_it_is_cut(size):
    assert undone(base64.encodebytes(CONTENT), "base64", size) == CONTENT
    assert undone(base64.b64encode(CONTENT).rstrip(b"="), "base64", size) == CONTENT
    assert undone(b"YQ==\r\nYmM=\r\n ZA\t==!", "base64", size) == b"abcd"
    assert undone(b"Y", "base64", size) == b""


@pytest.mark.parametrize("size", [1, 3, 64, 5000])
def test_quoted_printable_is_undone_however_it_is_cut(size):
    text = "Hälsningar = på skärmen, och en lång rad som bryts. ".encode() * 9
    coded = quopri.encodestring(text).replace(b"\n", b"\r\n")
    assert undone(coded, "quoted-printable", size) == text
    assert undone(b"a=ZZ=\r\nb=", "quoted-printable", size).startswith(b"a")


@pytest.mark.parametrize("coding", ["", "7bit", "8bit", "binary", "x-nobody-knows"])
def test_others_are_bytes_as_they_are(coding):
    assert undone(CONTENT, coding, 7) == CONTENT


def test_padding_everywhere_costs_no_more_than_text():
    began = time.process_time()
    assert len(undone(b"YQ=" * 1_000_000, "base64", 1 << 20)) == 1_000_000
    assert time.process_time() - began < 30  # quadratic work would take hours
