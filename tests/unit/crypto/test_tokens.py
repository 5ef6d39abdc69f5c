import hashlib
import itertools

import pytest

from crypto import TokenPurpose, is_token, new_blob_id, new_id, new_token, same, token_digest

PURPOSES = list(TokenPurpose)


@pytest.mark.parametrize("purpose", PURPOSES)
def test_a_new_token_is_a_token_of_its_purpose_alone(purpose):
    for _ in range(200):
        token = new_token(purpose)
        assert [other for other in PURPOSES if is_token(other, token)] == [purpose]


@pytest.mark.parametrize("purpose", PURPOSES)
def test_tokens_carry_256_random_bits(purpose):
    tokens = {new_token(purpose) for _ in range(100)}
    assert len(tokens) == 100
    assert {len(token) for token in tokens} == {len(purpose.value) + 43}


@pytest.mark.parametrize("purpose", PURPOSES)
def test_anything_else_is_no_token(purpose):
    token = new_token(purpose)
    wrong = [
        "",
        token[:-1],
        token + "A",
        token + "\n",
        "\n" + token,
        token[1:],
        token[:-1] + "B",  # the last letter carries four bits, and B has more
        token[:-1] + "=",
        token[:20] + "/" + token[21:],
        token[:20] + "+" + token[21:],
        token[:20] + "\x00" + token[21:],
        token[:20] + "é" + token[21:],
        token[:20] + "\udcff" + token[21:],
        token[:20] + "٣" + token[21:],  # a digit, though not one of ours
        purpose.value + "A" * 42,
        token.swapcase() if not token.swapcase().startswith(purpose.value) else token[:-1],
    ]
    assert not [text for text in wrong if is_token(purpose, text)]


def test_the_digest_is_plain_sha_256_and_never_fails():
    assert token_digest("uABC") == hashlib.sha256(b"uABC").digest()
    assert len(token_digest("\udcff")) == 32


def test_tokens_that_differ_in_purpose_alone_differ_in_digest():
    body = new_token(TokenPurpose.UPLOAD)[1:]
    assert token_digest("u" + body) != token_digest("d" + body)


def test_secrets_are_compared_whole():
    values = ["", "a", "b", "ab", "é"]
    assert all(same(a, b) == (a == b) for a, b in itertools.product(values, repeat=2))
    assert same("é", "é".encode())
    assert not same(b"\x00", b"")


def test_ids_sort_by_the_time_they_were_made():
    ids = [new_id() for _ in range(1000)]
    assert ids == sorted(ids)
    assert len(set(ids)) == 1000
    assert all(len(found) == 36 and found[14] == "7" for found in ids)


def test_blob_ids_are_random_and_opaque():
    ids = {new_blob_id() for _ in range(100)}
    assert len(ids) == 100
    assert all(len(found) == 32 and set(found) <= set("0123456789abcdef") for found in ids)
