"""The type policy over real bytes: S-45, S-54."""

from __future__ import annotations

import gzip

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.errors import ContentMismatch, TypeNotAllowed
from tests.unit.transfer_inspect import corpus
from transfer.inspect import REFUSED_EXTENSIONS, TypePolicy
from transfer.media_types import safe_media_type
from transfer.names import stored_name
from transfer.sandbox import Sniffer

HTML = b"<!-- a -->\n<HTML><body><script>alert(1)</script>"
SCRIPT = b"#!/usr/bin/env python3\nprint(1)\n"
BATCH = b"@ECHO OFF\r\ndel *.*\r\n"
SVG = b"<svg onload='alert(1)' xmlns='http://www.w3.org/2000/svg'/>"
policy = TypePolicy()


@pytest.fixture(scope="module")
def running():
    sniffer = Sniffer(children=1, time_limit=30)
    sniffer.start()
    yield sniffer
    sniffer.close()


@pytest.fixture
def sniffer(running, caplog):
    """A sniffer whose child must live through all that it is shown here: a verdict for want of a child is none."""
    yield running
    assert [record.getMessage() for record in caplog.records] == []


def test_the_corpus_is_of_at_least_thirty_kinds():
    assert len({media_type for _, _, media_type in corpus.TAKEN}) >= 30


@pytest.mark.parametrize("name, content, media_type", corpus.TAKEN, ids=[name for name, *_ in corpus.TAKEN])
def test_what_people_send_to_a_support_desk_is_taken(sniffer, name, content, media_type):
    assert policy.check(stored_name(name), sniffer.sniff(content)) == media_type


MISMATCHES = [
    ("a.pdf", corpus.png()),
    ("a.pdf", HTML),
    ("a.pdf", SCRIPT),
    ("a.pdf", corpus.program()),
    ("a.pdf", corpus.elf()),
    ("a.pdf", corpus.zipped(("a", b"b"))),
    ("a.pdf", corpus.office("word/document.xml")),
    ("a.pdf", b'{"a": 1}'),
    ("a.pdf", corpus.mail()),
    ("a.pdf", corpus.mp3()),
    ("a.jpg", HTML),
    ("a.jpg", SCRIPT),
    ("a.jpg", BATCH),
    ("a.jpg", b"<?php system($_GET[0]);"),
    ("a.jpg", SVG),
    ("a.jpg", corpus.program()),
    ("a.jpg", corpus.elf()),
    ("a.jpg", corpus.png()),
    ("a.png", corpus.JPEG),
    ("a.png", corpus.pdf()),
    ("a.gif", corpus.wav()),
    ("a.txt", HTML),
    ("a.txt", "<html><body>".encode("utf-16")),
    ("a.txt", b"\xef\xbb\xbf<script>alert(1)</script>"),
    ("a.txt", SCRIPT),
    ("a.txt", BATCH),
    ("a.txt", corpus.program()),
    ("a.txt", corpus.elf()),
    ("a.txt", corpus.png()),
    ("a.txt", corpus.pdf()),
    ("a.log", gzip.compress(b"rotated", mtime=0)),
    ("a.csv", corpus.office("xl/workbook.xml")),
    ("a.docx", corpus.pdf()),
    ("a.docx", HTML),
    ("a.docx", corpus.program()),
    ("a.msg", corpus.zipped(("a", b"b"))),
    ("a.mp4", corpus.png()),
    ("a.mp3", corpus.program()),
    ("a.zip", corpus.program()),
    ("a.zip", corpus.SEVEN_ZIP),
    ("a.gz", corpus.zipped(("a", b"b"))),
    ("a.json", HTML),
    ("a.eml", corpus.png()),
    ("a.xls", corpus.png()),
    ("a.svg", HTML),
    ("a.heic", corpus.film(b"mp42")),
]


@pytest.mark.parametrize("name, content", MISMATCHES, ids=range(len(MISMATCHES)))
def test_content_that_is_clearly_something_else_than_its_name_says_is_a_mismatch(sniffer, name, content):
    with pytest.raises(ContentMismatch) as refused:
        policy.check(name, sniffer.sniff(content))
    assert refused.value.field == "filename"


@pytest.mark.parametrize(
    "name",
    [
        "evil.exe", "evil.EXE", "evil.pdf.exe", "evil.exe.pdf", "evil.scr.jpg", "a.b.vbs.c.txt", "evil.bat.zip",
        "evil.lnk", "evil.hta", "evil.jar", "evil.msi", "evil.ps1", "evil.com", "evil.cmd", "evil.app", "evil.js",
        "evil.ｅｘｅ", "evil.exe .pdf", "evil.exe..pdf", "evil.exe.4711.pdf", "setup.exe.log", "evil.desktop",
        "evil.url",
    ],
)  # fmt: skip
def test_a_refused_extension_is_refused_wherever_it_would_be_run(name):
    with pytest.raises(TypeNotAllowed):
        policy.check_name(name)
    with pytest.raises(TypeNotAllowed):
        policy.check(name, "text/plain")
    with pytest.raises(TypeNotAllowed):
        policy.check(name, "application/octet-stream", ["*/*", ".exe", ".pdf", ".zip"])


def test_tricks_with_dots_spaces_and_direction_do_not_get_a_program_past():
    for raw in ("evil.exe. ", "evil.exe.", "evil\u202egpj.exe", "evil.e\u200bxe", "evil.exe\u3000", "evil.exe\t"):
        with pytest.raises(TypeNotAllowed):
            policy.check_name(stored_name(raw))


@pytest.mark.parametrize("name", ["www.example.com.pdf", "node.js.png", "my.app.log", "test.run.csv", "a.command.txt"])
def test_words_that_are_also_extensions_may_stand_inside_a_name(name):
    policy.check_name(name)


@pytest.mark.parametrize("name", ["evil", "evil.bin", "evil.dat"])
def test_a_program_under_no_telling_name_is_refused_as_what_it_is(sniffer, name):
    with pytest.raises(TypeNotAllowed):
        policy.check(name, sniffer.sniff(corpus.program()))
    with pytest.raises(TypeNotAllowed):
        policy.check(name, sniffer.sniff(corpus.elf()))
    with pytest.raises(TypeNotAllowed):
        policy.check("library.so", sniffer.sniff(corpus.program()))


def test_this_machines_own_programs_are_refused(sniffer):
    with open("/bin/ls", "rb") as program:
        sniffed = sniffer.sniff(program.read(1 << 16))
    with pytest.raises(TypeNotAllowed):
        policy.check("ls", sniffed)
    with pytest.raises(ContentMismatch):
        policy.check("ls.txt", sniffed)


def test_a_site_may_take_what_others_refuse(sniffer):
    site = TypePolicy(frozenset())
    assert site.check("a.exe", sniffer.sniff(corpus.program())) == sniffer.sniff(corpus.program())
    assert site.check("a.exe.txt", "text/plain") == "text/plain"


ALLOWED = [
    ("a.pdf", corpus.pdf(), ["application/pdf"]),
    ("a.pdf", corpus.pdf(), [".pdf"]),
    ("a.PDF", corpus.pdf(), [".png", ".PDF"]),
    ("a.png", corpus.png(), ["image/*"]),
    ("a.png", corpus.png(), ["Image/PNG"]),
    ("a", corpus.png(), ["image/*"]),
    ("a.jpg", corpus.JPEG, ["image/jpg"]),
    ("a.zip", corpus.zipped(("a", b"b")), ["application/x-zip-compressed"]),
    ("a.pdf", bytes(100), ["application/pdf"]),
    ("a.log", b"x\n", ["text/plain"]),
    ("a.xyz", b"x\n", [".xyz"]),
    ("a.xyz", b"x\n", ["text/*", ".pdf"]),
    ("a.txt", b"x\n", ["*/*"]),
    ("a.txt", b"x\n", ()),
    ("a.txt", b"x\n", ("", "  ")),
]


@pytest.mark.parametrize("name, content, allowed", ALLOWED, ids=range(len(ALLOWED)))
def test_what_a_link_allows_is_taken(sniffer, name, content, allowed):
    policy.check_name(name, allowed)
    policy.check(name, sniffer.sniff(content), allowed)


NOT_ALLOWED = [
    ("a.txt", b"x\n", ["application/pdf"], True),
    ("a.txt", b"x\n", [".pdf"], True),
    ("a.pdf", corpus.pdf(), ["image/*"], True),
    ("a.svg", SVG, [".png", "image/png"], True),
    ("a", corpus.png(), [".png"], True),
    ("a", corpus.pdf(), ["image/*"], False),
    ("a.xyz", b"x\n", ["image/*"], False),
    ("a.pdf", b"only text\n", ["application/pdf"], False),
    ("a.pdf", corpus.pdf(), ["pdf"], True),
    ("a.pdf", corpus.pdf(), ["*"], True),
]


@pytest.mark.parametrize("name, content, allowed, before_the_body", NOT_ALLOWED, ids=range(len(NOT_ALLOWED)))
def test_what_a_link_does_not_allow_is_refused_before_the_body_where_the_name_tells(
    sniffer, name, content, allowed, before_the_body
):
    if before_the_body:
        with pytest.raises(TypeNotAllowed):
            policy.check_name(name, allowed)
    else:
        policy.check_name(name, allowed)
    with pytest.raises(TypeNotAllowed):
        policy.check(name, sniffer.sniff(content), allowed)


@given(st.text(max_size=60), st.sampled_from(sorted(REFUSED_EXTENSIONS)), st.text(max_size=4))
def test_no_name_that_ends_in_a_refused_extension_is_ever_taken(stem, extension, tail):
    name = stored_name(
        f"x{stem.replace(chr(0), '')}"[:60] + f".{extension}" + tail.translate(dict.fromkeys(map(ord, tail), " "))
    )
    with pytest.raises(TypeNotAllowed):
        policy.check(name, "text/plain")


@given(st.text(max_size=40), st.text(max_size=40), st.lists(st.text(max_size=20), max_size=4))
def test_the_policy_answers_any_name_and_any_word_with_a_type_or_one_of_its_two_refusals(name, sniffed, allowed):
    try:
        assert isinstance(policy.check(name, sniffed, allowed), str)
    except (TypeNotAllowed, ContentMismatch) as refused:
        assert refused.field == "filename"


@pytest.mark.parametrize(
    "media_type, told",
    [
        ("application/pdf", "application/pdf"),
        ("image/png", "image/png"),
        ("text/plain", "text/plain"),
        ("text/html", corpus.OCTETS),
        ("application/xhtml+xml", corpus.OCTETS),
        ("image/svg+xml", corpus.OCTETS),
        ("text/xml", corpus.OCTETS),
        ("application/javascript", corpus.OCTETS),
        ("message/rfc822", corpus.OCTETS),
        ("text/plain\r\nX: y", corpus.OCTETS),
        (None, corpus.OCTETS),
    ],
)
def test_a_browser_is_told_only_types_of_the_safe_list(media_type, told):
    assert safe_media_type(media_type) == told
