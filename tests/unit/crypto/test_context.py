import itertools

import pytest

from crypto import Context
from crypto.stream_cipher import COMMIT_LABEL
from tests.vectors import reference


def test_the_encoding_is_the_documented_one():
    context = Context("installation", "owner", "purpose", 7)
    assert context.encode() == reference.aad("installation", "owner", "purpose", 7)
    assert Context("i", "ö", "p").encode().hex() == "010000000400000001000000016900000002c3b60000000170"


def test_no_two_contexts_share_an_encoding():
    words = ["a", "aa", "aaa", "\x00", "a\x00", "\x00\x00\x00\x01a"]
    contexts = [
        Context(one, two, three, number)
        for one, two, three in itertools.product(words, repeat=3)
        for number in (1, 2, 0x61616161)
    ]
    assert len({context.encode() for context in contexts}) == len(contexts)


def test_no_encoding_begins_with_the_label_of_the_commitment():
    assert Context("bilaga/commit/v1", "o", "p").encode()[0] == 1
    assert COMMIT_LABEL[0] != 1


@pytest.mark.parametrize("fields", [("", "o", "p"), ("i", "", "p"), ("i", "o", "")])
def test_an_empty_field_is_refused(fields):
    with pytest.raises(ValueError, match="names"):
        Context(*fields)


@pytest.mark.parametrize("number", [0, -1, 1 << 32])
def test_an_impossible_format_number_is_refused(number):
    with pytest.raises(ValueError, match="positive"):
        Context("i", "o", "p", number)
