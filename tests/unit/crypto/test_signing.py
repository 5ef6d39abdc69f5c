import base64

import pytest

from crypto import Secret, Signer, open_note, verify_signature
from domain.errors import BadInput, ChainBroken

SECRET = Secret(bytes(range(32)))
SIGNER = Signer("vault.example/audit", SECRET)
TEXT = "vault.example/audit\n42\nX1kg6vJX0dHVXhNFPhLnBnD0MqLzpKHcMB6ONxXEfAs=\n"
# From the specification of signed notes (c2sp.org/signed-note); key and note of golang.org/x/mod/sumdb/note.
GO_KEY = "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW"
GO_NOTE = (
    "If you think cryptography is the answer to your problem,\n"
    "then you don't know what your problem is.\n\n"
    "— PeterNeumann x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2pZSNXgKvqfqdngotpRZb6KE6RyyBwJnAM=\n"
)


def test_a_signature_verifies_with_the_public_key_alone():
    signature = SIGNER.sign(b"data")
    assert len(signature) == 64
    assert verify_signature(SIGNER.public_key_text, b"data", signature)
    assert not verify_signature(SIGNER.public_key_text, b"Data", signature)
    assert not verify_signature(SIGNER.public_key_text, b"data", signature[:-1])
    assert not verify_signature(SIGNER.public_key_text, b"data", b"")


def test_another_name_or_secret_is_another_key():
    for other in (Signer("vault.example/certificates", SECRET), Signer(SIGNER.name, Secret.generate())):
        assert not verify_signature(other.public_key_text, b"data", SIGNER.sign(b"data"))


def test_the_same_name_and_secret_sign_alike_for_ever():
    assert Signer(SIGNER.name, SECRET).sign(b"data") == SIGNER.sign(b"data")
    assert SIGNER.public_key_text == "vault.example/audit+0cc6c313+AQUCjvw45GSo5pXk143KLH1B9ORKcy2f/PZqbGqi22Fh"


def test_a_note_gives_its_text_back():
    note = SIGNER.sign_note(TEXT)
    assert note.startswith(TEXT + "\n— vault.example/audit ")
    assert open_note(note, SIGNER.public_key_text) == TEXT


def test_a_note_of_others_opens():
    assert open_note(GO_NOTE, GO_KEY) == GO_NOTE.partition("\n\n")[0] + "\n"


def test_signatures_of_others_are_left_aside():
    witness = Signer("witness.example", Secret.generate())
    both = SIGNER.sign_note(TEXT) + witness.sign_note(TEXT).removeprefix(TEXT + "\n")
    assert open_note(both, SIGNER.public_key_text) == TEXT
    assert open_note(both, witness.public_key_text) == TEXT
    with pytest.raises(ChainBroken):
        open_note(both, Signer("third.example", SECRET).public_key_text)


def test_an_empty_line_in_the_text_does_not_end_it():
    text = "one\n\ntwo\n"
    assert open_note(SIGNER.sign_note(text), SIGNER.public_key_text) == text


def test_a_note_changed_anywhere_is_refused():
    note = SIGNER.sign_note(TEXT)
    for at in range(len(note)):
        for other in ("A", "B"):
            changed = note[:at] + other + note[at + 1 :]
            if changed != note:
                with pytest.raises(ChainBroken):
                    open_note(changed, SIGNER.public_key_text)
        with pytest.raises(ChainBroken):
            open_note(note[:at] + note[at + 1 :], SIGNER.public_key_text)
        with pytest.raises(ChainBroken):
            open_note(note[:at], SIGNER.public_key_text)


@pytest.mark.parametrize(
    "note",
    [
        "",
        "\n",
        TEXT,
        TEXT + "\n",
        SIGNER.sign_note(TEXT) + "\n",
        SIGNER.sign_note(TEXT) + "more\n",
        SIGNER.sign_note(TEXT).replace("— ", "- "),
        SIGNER.sign_note(TEXT).replace("\n", "\r\n"),
        SIGNER.sign_note(TEXT) * 2,
        SIGNER.sign_note(TEXT) + "— someone AAAA\n",
        SIGNER.sign_note(TEXT) + "— someone AAAAAAAA AAAA\n",
        SIGNER.sign_note(TEXT) + "— someone else\n",
        SIGNER.sign_note(TEXT) + "—  AAAAAAAA\n",
        SIGNER.sign_note(TEXT) + "— someone AAAAAAAA\n" * 16,
        "x" * (1 << 20) + "\n" + SIGNER.sign_note(TEXT),
    ],
)
def test_what_is_no_note_is_refused(note):
    with pytest.raises(ChainBroken):
        open_note(note, SIGNER.public_key_text)


def test_a_right_name_with_a_wrong_signature_is_refused_even_beside_a_right_one():
    note = SIGNER.sign_note(TEXT)
    line = note.removeprefix(TEXT + "\n")
    forged = base64.b64encode(base64.b64decode(line.split()[2])[:4] + bytes(64)).decode()
    with pytest.raises(ChainBroken):
        open_note(f"{note}— {SIGNER.name} {forged}\n", SIGNER.public_key_text)


@pytest.mark.parametrize("text", ["", "no end", "tab\t\n", "nul\x00\n", "cr\r\n", "\ud800\n"])
def test_what_is_not_lines_of_text_is_not_signed(text):
    with pytest.raises(ValueError, match="lines"):
        SIGNER.sign_note(text)


@pytest.mark.parametrize("name", ["", "a b", "a+b", "a\nb", "a\u00a0b", "x" * 201])
def test_an_impossible_name_is_refused(name):
    with pytest.raises(ValueError, match="name"):
        Signer(name, SECRET)


@pytest.mark.parametrize(
    "vkey",
    [
        "",
        "nonsense",
        GO_KEY.replace("c74f20a3", "c74f20a4"),
        GO_KEY.replace("Peter", "Pete"),
        GO_KEY[:-4],
        GO_KEY.replace("+AR", "+AQ"),
        GO_KEY.replace("+ARpc", "+AhpcA"),
        SIGNER.public_key_text + "A",
    ],
)
def test_a_mistyped_public_key_is_a_clear_error(vkey):
    for act in (lambda: verify_signature(vkey, b"", bytes(64)), lambda: open_note(GO_NOTE, vkey)):
        with pytest.raises(BadInput) as caught:
            act()
        assert caught.value.field == "public_key"


def test_the_private_key_does_not_show():
    assert SECRET.reveal().hex() not in repr(SIGNER)
    assert repr(SIGNER) == f"Signer({SIGNER.public_key_text!r})"
