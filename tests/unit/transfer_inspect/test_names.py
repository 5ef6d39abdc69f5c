"""File names: S-44, S-54, S-94."""

from __future__ import annotations

import re
import unicodedata
from urllib.parse import unquote

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from domain.errors import BadInput
from transfer.names import content_disposition, extensions, stored_name, unique_names

ZWJ, ZWNJ, ZWSP, BOM, RLO, LRI, PDI = "\u200d", "\u200c", "\u200b", "\ufeff", "\u202e", "\u2066", "\u2069"
FAMILY = "\U0001f468" + ZWJ + "\U0001f469" + ZWJ + "\U0001f467"
FLAG = "\U0001f1f8\U0001f1ea"
THUMB = "\U0001f44d\U0001f3fd"

# Text that breaks things: all code points, and a strong dose of what S-44 speaks of.
awkward = st.text(
    st.one_of(
        st.characters(codec="utf-8"),
        st.sampled_from(
            [*'/\\:*?"<>|. \t\r\n%;=', ZWJ, ZWSP, BOM, RLO, LRI, PDI, "\u0301", "\u0338", "\u00a0", "\u3000"]
        ),
        st.sampled_from(
            [*"\U0001f468\U0001f3fd\U0001f1f8\U0001f1ea", "\u05d0", "\u0627", "å", "å", "\u1100", "\u1161"]
        ),
    ),
    max_size=400,
)
with_surrogates = st.text(st.characters(exclude_categories=[]), max_size=100)


def short_enough(text: str) -> bool:
    return len(text.encode()) <= 1024 and "\0" not in text


@pytest.mark.parametrize(
    "raw, stored",
    [
        ("rapport.pdf", "rapport.pdf"),
        ("räksmörgås.pdf", "räksmörgås.pdf"),
        ("a\u0308.txt", "ä.txt"),
        ("../../etc/passwd", "_.._etc_passwd"),
        ("C:\\temp\\logg.txt", "C__temp_logg.txt"),
        ('a*b?c"d<e>f|g.txt', "a_b_c_d_e_f_g.txt"),
        ("  .. skärm bild ..  ", "skärm bild"),
        (".bashrc", "bashrc"),
        ("line\r\nbreak\t.txt", "linebreak.txt"),
        (f"invoice{RLO}fdp.exe", "invoicefdp.exe"),
        (f"{LRI}שלום{PDI}.txt", "שלום.txt"),
        (f"a{ZWSP}b{BOM}c.txt", "abc.txt"),
        (f"{FAMILY}.png", "\U0001f468\U0001f469\U0001f467.png"),
        ("e\u200d\u0301.txt", "é.txt"),
        ("\u2028x\u2029.log", "x.log"),
        ("CON", "_CON"),
        ("nul.tar.gz", "_nul.tar.gz"),
        ("Com1 .txt", "_Com1 .txt"),
        ("lpt¹", "_lpt¹"),
        ("console.log", "console.log"),
        ("com10.log", "com10.log"),
        ("...", "file"),
        ("", "file"),
        (f" {ZWJ}. ", "file"),
        ("/", "_"),
        ("\u0600\u0661.txt", "\u0600\u0661.txt"),
    ],
)
def test_a_name_is_stored_as_s_44_says(raw, stored):
    assert stored_name(raw) == stored
    assert stored_name(raw.encode()) == stored


@pytest.mark.parametrize(
    "raw",
    [
        "a\0b",
        b"a\0b",
        b"\xff.txt",
        b"\xc0\xae.txt",
        b"\xed\xa0\x80",
        "\ud800.txt",
        "\udcff",
        "x" * 1025,
        "å" * 513,
        b"y" * 1025,
    ],
)
def test_a_nul_invalid_utf_8_and_more_than_a_kibibyte_are_refused_by_field(raw):
    with pytest.raises(BadInput) as refused:
        stored_name(raw)
    assert refused.value.field == "filename"


def test_exactly_a_kibibyte_is_taken_and_cut_with_its_extension():
    name = stored_name("n" * 1020 + ".pdf")
    assert name == "n" * 251 + ".pdf"


@pytest.mark.parametrize("cluster", ["å", "語", "\U0001f600", "x\u0323\u0302", THUMB, FLAG, "\u2764\ufe0f"])
@pytest.mark.parametrize("shift", range(8))
def test_a_long_name_is_cut_between_the_characters_that_a_person_sees(cluster, shift):
    repeats = (1000 - shift) // len(unicodedata.normalize("NFC", cluster).encode())
    name = stored_name("n" * shift + cluster * repeats + ".jpeg")
    stem = name.removesuffix(".jpeg")
    assert name != stem
    whole = unicodedata.normalize("NFC", cluster)
    assert stem == "n" * shift + whole * ((len(stem) - shift) // len(whole))
    assert 255 - len(name.encode()) < len(whole.encode())


def test_one_letter_under_hundreds_of_accents_still_leaves_a_name():
    name = stored_name("q" + "\u0323" * 500 + ".txt")
    assert name.startswith("q\u0323")
    assert name.endswith(".txt")
    assert len(name.encode()) <= 255


def test_what_is_too_long_for_an_extension_is_cut_like_a_name():
    assert stored_name("a." + "b" * 600) == "a." + "b" * 253


def test_a_device_name_laid_bare_by_the_cut_is_prefixed_too():
    assert stored_name("CON" + " " * 400 + "x.txt") == "_CON.txt"


@given(awkward.filter(short_enough))
@example("CON" + " " * 400 + "x.txt")
@example("=\u200d\u0338")
def test_every_stored_name_keeps_the_promises_whatever_came(raw):
    name = stored_name(raw)
    assert 1 <= len(name.encode()) <= 255
    assert unicodedata.is_normalized("NFC", name)
    assert not re.search(r'[/\\:*?"<>|\x00-\x1f\x7f-\x9f\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff]', name)
    assert name == name.strip(" .")
    assert not re.fullmatch(r"(?i)(con|prn|aux|nul|com[0-9¹²³]|lpt[0-9¹²³])", name.split(".")[0].strip())
    assert stored_name(name) == name


@given(with_surrogates)
def test_any_text_is_either_stored_or_refused_in_the_one_way(raw):
    try:
        stored_name(raw)
    except BadInput as refused:
        assert refused.field == "filename"


@given(st.binary(max_size=1100))
def test_any_bytes_are_either_stored_or_refused_in_the_one_way(raw):
    try:
        stored_name(raw)
    except BadInput as refused:
        assert refused.field == "filename"


@given(awkward, st.from_regex(r"[a-z0-9]{1,8}", fullmatch=True))
def test_a_name_of_any_length_keeps_its_extension(stem, extension):
    raw = f"x{stem}"[:200] + "." + extension
    if short_enough(raw):
        assert extensions(stored_name(raw))[-1] == extension


@pytest.mark.parametrize(
    "name, found",
    [
        ("a.txt", ["txt"]),
        ("a.tar.GZ", ["tar", "gz"]),
        ("invoice.EXE.pdf", ["exe", "pdf"]),
        ("plain", []),
        (".bashrc", []),
        ("a..b", ["b"]),
        ("evil.exe .pdf", ["exe", "pdf"]),
        ("evil.ｅｘｅ", ["exe"]),
        ("evil\u2024exe", ["exe"]),
        ("a.exe. ", ["exe"]),
        ("version 1.2.3 notes.md", ["2", "3 notes", "md"]),
    ],
)
def test_extensions_are_read_as_an_operating_system_or_a_person_reads_them(name, found):
    assert extensions(name) == found


@pytest.mark.parametrize(
    "name, header",
    [
        ("report.pdf", 'attachment; filename="report.pdf"'),
        (
            "räksmörgås.pdf",
            "attachment; filename=\"raksmorgas.pdf\"; filename*=UTF-8''r%C3%A4ksm%C3%B6rg%C3%A5s.pdf",
        ),
        ("100% säkert.txt", "attachment; filename=\"100_ sakert.txt\"; filename*=UTF-8''100%25%20s%C3%A4kert.txt"),
        ("50%41.txt", "attachment; filename=\"50_41.txt\"; filename*=UTF-8''50%2541.txt"),
        ("語.png", "attachment; filename=\"file.png\"; filename*=UTF-8''%E8%AA%9E.png"),
        ("it's (1).txt", 'attachment; filename="it\'s (1).txt"'),
        ('a"; filename="evil.exe', 'attachment; filename="a_; filename=_evil.exe"'),
        ("a\r\nSet-Cookie: x=1", 'attachment; filename="aSet-Cookie_ x=1"'),
        ("\ud800.txt", "attachment; filename=\"file.txt\"; filename*=UTF-8''_.txt"),
    ],
)
def test_a_name_is_told_in_a_header_as_rfc_6266_and_rfc_8187_say(name, header):
    assert content_disposition(name) == header


HEADER = re.compile(
    r'attachment; filename="[ !#$&-\[\]-~]{1,300}"' + r"(; filename\*=UTF-8''([A-Za-z0-9!#$&+.^_`|~-]|%[0-9A-F]{2})+)?"
)


@given(st.one_of(awkward, with_surrogates))
def test_no_name_whatever_makes_the_header_invalid(name):
    header = content_disposition(name)
    assert HEADER.fullmatch(header)
    assert len(header) < 1200


@given(awkward.filter(short_enough))
def test_the_header_gives_the_stored_name_back_exactly(raw):
    name = stored_name(raw)
    header = content_disposition(name)
    if "filename*=" in header:
        assert unquote(header.split("filename*=UTF-8''")[1], errors="strict") == name
    else:
        assert header == f'attachment; filename="{name}"'


@pytest.mark.parametrize(
    "names, unique",
    [
        (["a.txt", "b.txt"], ["a.txt", "b.txt"]),
        (["a.txt", "a.txt", "A.TXT"], ["a.txt", "a (2).txt", "A (3).TXT"]),
        (["a.txt", "a (2).txt", "a.txt"], ["a.txt", "a (2).txt", "a (3).txt"]),
        (["a.txt", "a.txt", "a (2).txt"], ["a.txt", "a (2).txt", "a (2) (2).txt"]),
        (["../x", "/etc/passwd", ".."], ["_x", "_etc_passwd", "file"]),
        (["ä", "a\u0308"], ["ä", "ä (2)"]),
        ([], []),
    ],
)
def test_names_in_an_archive_are_made_unique(names, unique):
    assert unique_names(names) == unique


@given(
    st.lists(st.one_of(awkward, st.sampled_from(["a.txt", "A.txt", "a (2).txt", "a" * 255, "å" * 127])), max_size=12)
)
def test_no_two_names_in_an_archive_fall_together_and_none_is_a_path(names):
    unique = unique_names(names)
    assert len(unique) == len(names)
    assert len({name.casefold() for name in unique}) == len(names)
    for name in unique:
        assert 1 <= len(name.encode()) <= 255
        assert "/" not in name
        assert "\\" not in name
        assert name not in {".", ".."}


def test_many_files_of_one_name_do_not_take_quadratic_time_to_name():
    unique = unique_names(["screenshot.png"] * 20_000)
    assert unique[-1] == "screenshot (20000).png"
