import logging

import pytest

from crypto import hash_passcode, verify_passcode
from domain.errors import BadInput

HASHED = hash_passcode("påskägg 🐣")


def test_a_passcode_is_known_again_and_no_other_is():
    assert verify_passcode(HASHED, "påskägg 🐣")
    for wrong in ("", "påskägg", "påskägg 🐣 ", "Påskägg 🐣", "x" * 300):
        assert not verify_passcode(HASHED, wrong)


def test_it_is_argon2id_with_its_own_salt():
    assert HASHED.startswith("$argon2id$v=19$m=65536,t=3,p=4$")
    assert hash_passcode("påskägg 🐣") != HASHED


def test_two_spellings_of_one_letter_are_one_passcode():
    assert verify_passcode(HASHED, "pa\u030aska\u0308gg 🐣")


@pytest.mark.parametrize("text", ["", "12345", "å" * 5, "a\u030a" * 5, "x" * 257])
def test_too_short_or_too_long_is_refused(text):
    with pytest.raises(BadInput) as caught:
        hash_passcode(text)
    assert caught.value.field == "passcode"


def test_an_unreadable_hash_lets_nobody_in(caplog):
    with caplog.at_level(logging.CRITICAL):
        for hashed in ("", "nonsense", "$argon2id$v=19$m=65536,t=3,p=4$", HASHED[:-1], HASHED + "A"):
            assert not verify_passcode(hashed, "påskägg 🐣")
