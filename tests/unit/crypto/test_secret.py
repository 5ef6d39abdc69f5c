import pytest

from crypto import Secret, keyed_digest, open_with_secret, seal_with_secret
from domain.errors import WrongContext

SECRET = Secret(bytes(range(32)))


def test_equal_texts_have_equal_digests_under_one_secret_alone():
    assert keyed_digest(SECRET, "anna@exempel.se") == keyed_digest(SECRET, "anna@exempel.se")
    assert keyed_digest(SECRET, "anna@exempel.se") != keyed_digest(SECRET, "Anna@exempel.se")
    assert keyed_digest(SECRET, "anna@exempel.se") != keyed_digest(Secret.generate(), "anna@exempel.se")
    assert len(keyed_digest(SECRET, "")) == 32


def test_the_digest_stays_what_it_was():
    # Stored digests are looked up by it: a change here loses every one of them.
    assert (
        keyed_digest(SECRET, "anna@exempel.se").hex()
        == "4d868e3d1b891de3ee57bc7c9576c5960f9109033abce26a53c8ed90aa57fa50"
    )


def test_sealed_data_comes_back():
    for data in (b"", b"a", bytes(range(256)) * 100):
        sealed = seal_with_secret(SECRET, data, "outbox", b"row 1")
        assert len(sealed) == len(data) + 29
        assert open_with_secret(SECRET, sealed, "outbox", b"row 1") == data


def test_sealed_data_opens_only_as_what_it_was_sealed_as():
    sealed = seal_with_secret(SECRET, b"data", "outbox", b"row 1")
    for secret, label, aad in (
        (Secret.generate(), "outbox", b"row 1"),
        (SECRET, "answer", b"row 1"),
        (SECRET, "outbox", b"row 2"),
        (SECRET, "outbox", b""),
    ):
        with pytest.raises(WrongContext):
            open_with_secret(secret, sealed, label, aad)
    for at in range(len(sealed)):
        forged = bytearray(sealed)
        forged[at] ^= 1
        with pytest.raises(WrongContext):
            open_with_secret(SECRET, bytes(forged), "outbox", b"row 1")
