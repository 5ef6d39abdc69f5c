"""docs/sealed-stream.md says what the code does."""

import re
from pathlib import Path

import pytest

from crypto import ACTIVE_FOR, MAX_PLAINTEXT, MAX_SEGMENT_SIZE, WRAP_LIMIT, TokenPurpose, sealed_size
from crypto.selftest import _COMMITMENT, _DERIVED, _STREAMS
from tests.vectors import generate

ROOT = Path(__file__).parents[3]
TEXT = (ROOT / "docs" / "sealed-stream.md").read_text()
CODE = "".join(path.read_text() for path in sorted((ROOT / "crypto").glob("*.py")))


def test_every_known_answer_is_the_one_computed_at_the_start():
    for answer in (_DERIVED, _COMMITMENT, *_STREAMS.values()):
        assert f"`{answer}`" in TEXT


def test_every_label_is_written_down_and_no_other():
    labels = set(re.findall(r"bilaga/[a-z0-9-]+/v\d", CODE))
    assert labels == set(re.findall(r"bilaga/[a-z0-9-]+/v\d", TEXT))
    assert len(labels) == 9


@pytest.mark.parametrize("row", re.findall(r"^\| ([\d ]+) \| ([\d ]+) \|$", TEXT, re.MULTILINE))
def test_every_size_in_the_table_is_right(row):
    plain, sealed = (int(number.replace(" ", "")) for number in row)
    assert sealed_size(plain) == sealed


def test_every_kind_of_token_is_written_down():
    for purpose in TokenPurpose:
        assert f"`{purpose.value}`" in TEXT


def test_the_limits_are_the_codes():
    assert f"{MAX_SEGMENT_SIZE:,} bytes".replace(",", " ") in TEXT
    assert MAX_PLAINTEXT == 1 << 40
    assert "2^40 bytes" in TEXT
    assert WRAP_LIMIT == 1 << 28
    assert "2^28 data keys" in TEXT
    assert f"{ACTIVE_FOR.days} days" in TEXT


def test_every_failure_named_in_the_vectors_is_explained():
    for vector in generate.all_vectors():
        assert vector.expect == "plain" or f"`{vector.expect}`" in TEXT
