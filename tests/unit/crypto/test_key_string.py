import base64
import hashlib

import pytest

from crypto import Context, DataKey, parse_key_string
from crypto.key_string import StreamKey
from domain.errors import BadInput

CONTEXT = Context("installation", "owner", "attachment")
KEY = DataKey(bytes(range(32)))
TEXT = KEY.key_string(CONTEXT, 1 << 20)


def test_a_key_string_says_key_context_and_segment_size():
    found = parse_key_string(TEXT)
    assert found.key.reveal() == KEY.reveal()
    assert found.aad == CONTEXT.encode()
    assert found.segment_size == 1 << 20


def test_the_format_is_the_documented_one():
    body = KEY.reveal() + (1 << 20).to_bytes(4, "big") + CONTEXT.encode()
    checksum = hashlib.sha256(b"bilaga/key-string/v1\x00" + body).digest()[:8]
    assert "bilaga-key-1." + base64.urlsafe_b64encode(body + checksum).decode().rstrip("=") == TEXT


def test_a_key_string_is_one_printable_line():
    assert TEXT.isascii()
    assert TEXT.isprintable()
    assert " " not in TEXT


def test_space_around_it_does_not_matter():
    assert parse_key_string(f"  {TEXT}\r\n") == parse_key_string(TEXT)


def test_one_wrong_letter_anywhere_is_noticed():
    for at in range(len(TEXT)):
        wrong = TEXT[:at] + ("B" if TEXT[at] == "A" else "A") + TEXT[at + 1 :]
        with pytest.raises(BadInput) as caught:
            parse_key_string(wrong)
        assert caught.value.field == "key"


def test_a_missing_or_extra_letter_is_noticed():
    for at in range(len(TEXT)):
        with pytest.raises(BadInput):
            parse_key_string(TEXT[:at])
        with pytest.raises(BadInput):
            parse_key_string(TEXT[:at] + "A" + TEXT[at:])


@pytest.mark.parametrize(
    "text", ["", "bilaga-key-1.", "bilaga-key-2." + TEXT[13:], TEXT + "=", TEXT + "é", TEXT.upper(), "A" * 100_000]
)
def test_what_is_no_key_string_is_refused(text):
    with pytest.raises(BadInput):
        parse_key_string(text)


def test_a_key_string_longer_than_any_is_refused():
    with pytest.raises(BadInput, match="too long"):
        parse_key_string("bilaga-key-1." + "A" * 5000)


@pytest.mark.parametrize("segment_size", [0, 56, (1 << 24) + 1, (1 << 32) - 1])
def test_an_impossible_segment_size_is_refused_before_memory_is_taken(segment_size):
    body = KEY.reveal() + segment_size.to_bytes(4, "big") + CONTEXT.encode()
    checksum = hashlib.sha256(b"bilaga/key-string/v1\x00" + body).digest()[:8]
    text = "bilaga-key-1." + base64.urlsafe_b64encode(body + checksum).decode().rstrip("=")
    with pytest.raises(BadInput, match="segment size"):
        parse_key_string(text)


def test_the_error_never_holds_the_string():
    wrong = TEXT[:-1] + "!"
    with pytest.raises(BadInput) as caught:
        parse_key_string(wrong)
    error = caught.value
    assert TEXT[20:60] not in repr(error)
    assert error.__cause__ is None
    assert error.__suppress_context__


def test_what_it_says_does_not_show_the_key():
    assert "****" in repr(StreamKey(KEY, b"aad", 64))
    assert KEY.reveal().hex() not in repr(StreamKey(KEY, b"aad", 64))
