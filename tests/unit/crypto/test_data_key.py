import copy
import pickle

import pytest

from crypto import Context, DataKey, Secret
from domain.errors import WrongContext
from tests.vectors import reference

CONTEXT = Context("installation", "owner", "attachment")
KEY = DataKey(bytes(range(32)))


@pytest.mark.parametrize("kind", [DataKey, Secret])
class TestNothingLeaks:
    def test_into_a_text(self, kind):
        key = kind(b"0123456789abcdef" * 2)
        for text in (repr(key), str(key), f"{key}", f"{[key]}"):
            assert "0123" not in text
            assert "****" in text

    def test_into_a_pickle_or_a_copy(self, kind):
        for act in (pickle.dumps, copy.copy, copy.deepcopy):
            with pytest.raises(TypeError, match="never"):
                act(kind.generate())

    def test_into_the_order_of_a_mapping(self, kind):
        with pytest.raises(TypeError):
            hash(kind.generate())

    def test_by_an_attribute(self, kind):
        assert not hasattr(kind.generate(), "__dict__")


def test_two_keys_are_equal_only_by_kind_and_value():
    assert DataKey(bytes(32)) == DataKey(bytes(32))
    assert DataKey(bytes(32)) != DataKey(bytes(31) + b"\x01")
    assert DataKey(bytes(32)) != Secret(bytes(32))
    assert DataKey(bytes(32)) != bytes(32)


def test_keys_are_random():
    assert len({DataKey.generate().reveal() for _ in range(100)}) == 100


@pytest.mark.parametrize("length", [0, 16, 31, 33])
def test_a_key_has_32_bytes(length):
    with pytest.raises(ValueError, match="32"):
        DataKey(bytes(length))


@pytest.mark.parametrize("text", ["", "a", "Årsredovisning 🧾.pdf", "x" * 10_000])
def test_a_text_comes_back(text):
    sealed = KEY.seal_text(text, "name", CONTEXT)
    assert len(sealed) == len(text.encode()) + 29
    assert KEY.open_text(sealed, "name", CONTEXT) == text


def test_a_text_is_sealed_differently_each_time():
    assert len({KEY.seal_text("same", "name", CONTEXT) for _ in range(50)}) == 50


def test_a_text_opens_only_as_what_it_was_sealed_as():
    sealed = KEY.seal_text("text", "name", CONTEXT)
    strangers = [
        (DataKey.generate(), "name", CONTEXT),
        (KEY, "subject", CONTEXT),
        (KEY, "", CONTEXT),
        (KEY, "name", Context("installation", "owner", "ticket")),
        (KEY, "name", Context("installation", "other", "attachment")),
        (KEY, "name", Context("other", "owner", "attachment")),
        (KEY, "name", Context("installation", "owner", "attachment", 2)),
    ]
    for key, label, context in strangers:
        with pytest.raises(WrongContext):
            key.open_text(sealed, label, context)


def test_a_changed_text_never_opens():
    sealed = KEY.seal_text("text", "name", CONTEXT)
    for at in range(len(sealed)):
        forged = bytearray(sealed)
        forged[at] ^= 0x80
        with pytest.raises(WrongContext):
            KEY.open_text(bytes(forged), "name", CONTEXT)
    for cut in range(len(sealed)):
        with pytest.raises(WrongContext):
            KEY.open_text(sealed[:cut], "name", CONTEXT)
    with pytest.raises(WrongContext):
        KEY.open_text(sealed + b"\x00", "name", CONTEXT)


def test_the_commitment_is_the_documented_one():
    salt = bytes(range(32, 64))
    assert KEY.commitment(salt, CONTEXT) == reference.commitment(KEY.reveal(), salt, CONTEXT.encode())
    assert KEY.commitment(salt, CONTEXT) != KEY.commitment(salt, Context("installation", "owner", "ticket"))
