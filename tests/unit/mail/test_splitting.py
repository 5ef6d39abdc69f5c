from __future__ import annotations

import email
from email.policy import default

import pytest

from mail.raw import RawMessage
from mail.replies import Refusal
from mail.slim import Link, slim
from mail.splitting import Rules, Split, Splitting
from tests.corpus.mails import DEEP, LOOPED, MAILS, PDF, PIECES, PNG, TEXT, Mail, message, multipart, part

RULES = Rules(picture_max=128 << 10, whole_max=1 << 20)


class Kept:
    """What was made a file."""

    def __init__(self) -> None:
        self.files: dict[str, bytes] = {}
        self.numbers: list[int] = []

    def __call__(self, number, name, chunks) -> None:
        assert name not in self.files
        self.files[name] = b"".join(chunks)
        self.numbers.append(number)


def split(raw: bytes, rules: Rules = RULES, size: int = 1 << 20) -> tuple[Kept, Split]:
    kept = Kept()
    source = RawMessage(raw[at : at + size] for at in range(0, len(raw), size))
    return kept, Splitting(source, rules, kept, loop=("X-Bilaga-Loop", "here")).run()


def slimmed(kept: Kept, made: Split) -> bytes:
    links = [Link(name, len(content), f"https://v.example/{name}") for name, content in kept.files.items()]
    return slim(made, links, "https://v.example/t", "here")


@pytest.mark.parametrize("size", [1, 7, 1 << 20])
@pytest.mark.parametrize("mail", MAILS, ids=lambda mail: mail.name)
def test_each_mail_becomes_what_it_should(mail: Mail, size):
    kept, made = split(mail.raw, size=size)
    assert kept.files == mail.files
    assert len(set(kept.numbers)) == len(kept.numbers)
    out = slimmed(kept, made)
    if mail.whole:
        assert out == b"X-Bilaga-Loop: here\r\n" + mail.raw
    for wanted in mail.stays:
        assert wanted in out
    for unwanted in mail.gone:
        assert unwanted not in out
    assert b"Message-ID: <1@kund.example>" in out


@pytest.mark.parametrize("mail", [mail for mail in MAILS if mail.files], ids=lambda mail: mail.name)
def test_what_goes_on_is_a_message_that_another_parser_reads(mail: Mail):
    kept, made = split(mail.raw)
    parsed = email.message_from_bytes(slimmed(kept, made), policy=default)
    assert parsed["Subject"] == "Skärmen är svart"
    leaves = [one for one in parsed.walk() if not one.is_multipart()]
    texts = [one.get_payload(decode=True) for one in leaves if one.get_content_type() == "text/plain"]
    notes = [bytes(text).decode(errors="replace") for text in texts]
    assert any("Bilaga has taken" in note and all(name in note for name in mail.files) for note in notes)
    assert not any(one.get_content_disposition() == "attachment" for one in leaves)
    assert all(not one.defects for one in parsed.walk() if one.get_content_maintype() == "multipart")


def test_names_in_the_note_are_text_and_no_html():
    raw = message(multipart("mixed", TEXT, part('Content-Type: application/pdf; name="<b>&.pdf"', PDF)))
    out = email.message_from_bytes(slimmed(*split(raw)), policy=default)
    html = next(one for one in out.walk() if one.get_content_type() == "text/html").get_content()
    assert "&lt;b&gt;&amp;.pdf" in html
    assert "<b>" not in html


def test_a_text_that_is_no_mail_any_more_is_a_file():
    raw = message("Content-Type: text/plain\n\n" + "rad\n" * (2 << 20))
    kept, made = split(raw)
    assert {name: len(content) for name, content in kept.files.items()} == {"attachment-1.txt": 5 * (2 << 20)}
    assert len(slimmed(kept, made)) < 4000


def test_a_picture_of_the_text_that_is_large_is_a_file():
    kept, _ = split(
        message(
            multipart(
                "related",
                'Content-Type: text/html\n\n<img src="cid:big">\n',
                part("Content-Type: image/png\nContent-ID: <big>", PNG + bytes(200_000)),
            )
        )
    )
    assert list(kept.files) == ["image-3.png"]


def test_a_whole_one_is_kept_as_well_where_the_site_says_so():
    signed = next(mail for mail in MAILS if mail.name == "signed with S/MIME")
    kept, made = split(signed.raw, Rules(1000, 1 << 20, keep_whole=True))
    assert kept.files == {"Skärmen är svart.eml": signed.raw}
    assert made.whole


@pytest.mark.parametrize("raw", [*PIECES, DEEP], ids=["partial", "external", "deep"])
def test_what_cannot_be_taken_is_refused_for_good(raw):
    with pytest.raises(Refusal) as refused:
        split(raw)
    assert refused.value.reply.startswith("554 5.6.")


def test_a_message_that_was_here_before_is_refused():
    with pytest.raises(Refusal, match=r"554 5\.4\.6"):
        split(LOOPED)
    with pytest.raises(Refusal, match=r"554 5\.4\.6"):
        split(b"Received: x\r\n" * 101 + b"\r\n")


def test_parts_headers_and_whole_ones_have_limits():
    with pytest.raises(Refusal, match=r"554 5\.6\.0"):
        split(message(multipart("mixed", *[TEXT] * 501)))
    with pytest.raises(Refusal, match=r"554 5\.6\.0"):
        split(b"X: " + b"a" * (300 << 10) + b"\r\n\r\n")
    with pytest.raises(Refusal, match=r"552 5\.3\.4"):
        split(message("Content-Type: application/pkcs7-mime\n\n" + "a" * (1 << 20) + "a"))
    with pytest.raises(Refusal, match=r"552 5\.3\.4"):
        split(message(b"Content-Type: multipart/mixed; boundary=b\n\n" + b"preamble\n" * (4 << 20)))
