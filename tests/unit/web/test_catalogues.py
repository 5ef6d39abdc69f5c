"""Catalogues: every text of the sources, in every language, with its values, plurals, terms and marks (R14)."""

from __future__ import annotations

import json
import re
import unicodedata
from collections.abc import Iterator
from gettext import c2py  # type: ignore[attr-defined]
from pathlib import Path

import click
import pytest
from babel import Locale
from babel.messages.catalog import Catalog, Message
from babel.messages.extract import extract_from_dir
from babel.messages.frontend import parse_mapping_cfg
from babel.messages.pofile import read_po

from cli.link import link
from settings import Settings
from web.api.links import DownloadLinkIn, LinkOut, UploadLinkIn
from web.pages.languages import NAMES, SOURCE

ROOT = Path(__file__).parents[3]
LOCALE = ROOT / "web/pages/locale"
KEYWORDS = {"_": None, "gettext": None, "ngettext": (1, 2), "text": None}
TRANSLATED = [tag for tag in NAMES if tag != SOURCE]
QUOTES = {"sv": "””", "nb": "«»", "da": "»«", "fi": "””", "de": "„“"}
"""Marks around what is quoted: the first opens, the second closes."""
ALIKE = {
    "sv": {"Organisation", "Status", "text"},
    "nb": {"Pause", "Send", "Status", "administrator"},
    "da": {"%(num)s download", "%(num)s downloads", "Download", "Links", "Organisation", "Pause", "Reference", "Send"}
    | {"Status", "administrator"},
    "fi": set(),
    "de": {"%(day)s, %(time)s", "Code", "Links", "Organisation", "Status"},
}
"""What is written in the language as it is in English."""
WHOLE = re.compile(r"[.:?!…]$")


def written() -> Catalog:
    """Every text in the templates and in the code, as ``babel.cfg`` says where to look."""
    with (ROOT / "babel.cfg").open(encoding="utf-8") as file:
        methods, options = parse_mapping_cfg(file)
    found = extract_from_dir(
        ROOT, methods, options, keywords=KEYWORDS, directory_filter=lambda path: Path(path).is_relative_to(ROOT / "web")
    )
    catalog = Catalog()
    for _, _, message, _, context in found:
        catalog.add(message, context=context)
    return catalog


WRITTEN = {message.id for message in written() if message.id}


class Translation:
    """One language's catalogue, and what is told of it."""

    def __init__(self, tag: str) -> None:
        self.tag = tag
        with (LOCALE / f"{tag}.po").open("rb") as file:
            self.catalog = read_po(file, locale=tag)

    @property
    def messages(self) -> Iterator[Message]:
        return (message for message in self.catalog if message.id)

    @property
    def pairs(self) -> Iterator[tuple[str, str]]:
        """Each text beside its translation; of a plural, each form."""
        for message in self.messages:
            yield from zip(strings(message.id), strings(message.string), strict=True)


def strings(of: str | tuple[str, ...] | list[str]) -> list[str]:
    return [of] if isinstance(of, str) else list(of)


def places(text: str) -> set[str]:
    return {part.split(")")[0] for part in text.split("%(")[1:]}


@pytest.fixture(params=TRANSLATED)
def translation(request: pytest.FixtureRequest) -> Translation:
    return Translation(request.param)


def test_every_text_is_found_where_it_is_written() -> None:
    # From a template, a plural, code, and the script: a search that finds nothing would pass all below.
    assert {"Send your files", ("%(num)s file", "%(num)s files"), "images", "Waiting its turn"} <= WRITTEN
    assert len(WRITTEN) > 200


def test_there_is_a_catalogue_for_every_language_and_for_no_other() -> None:
    assert {file.stem for file in LOCALE.glob("*.po")} == set(TRANSLATED)
    assert set(QUOTES) == set(ALIKE) == set(TRANSLATED)


def test_a_site_may_have_any_of_the_languages_as_its_own_and_the_manual_says_so() -> None:
    said = (ROOT / "docs/operations.md").read_text(encoding="utf-8")
    row = next(line for line in said.splitlines() if line.startswith("| `DEFAULT_LANGUAGE`"))
    assert re.findall(r"`([a-z]{2})`", row)[1:] == list(NAMES)
    for tag in NAMES:
        assert Settings(default_language=tag).default_language == tag  # type: ignore[arg-type]


def test_whoever_makes_a_link_is_told_which_languages_there_are() -> None:
    asked = next(option for option in link.commands["upload"].params if option.name == "language")
    assert isinstance(asked, click.Option)
    for model in (UploadLinkIn, DownloadLinkIn, LinkOut):
        described = json.dumps(model.model_json_schema()["properties"]["language"])
        assert re.findall(r"\b[a-z]{2}\b", described.split(" in ")[1].split(".")[0].replace("and", "")) == list(NAMES)
    assert re.findall(r"\b[a-z]{2}\b", (asked.help or "").split(":")[1].split(".")[0].replace("or", "")) == list(NAMES)


def test_no_text_is_missing(translation: Translation) -> None:
    done = {message.id for message in translation.messages if message.string and all(strings(message.string))}
    assert WRITTEN - done == set()


def test_no_translation_is_left_of_a_text_that_is_gone_or_was_guessed(translation: Translation) -> None:
    assert {message.id for message in translation.messages} - WRITTEN == set()
    assert not translation.catalog.obsolete
    assert [message.id for message in translation.messages if message.fuzzy] == []


def test_every_translation_takes_the_values_that_its_text_takes(translation: Translation) -> None:
    assert [
        (message.id, list(message.check(translation.catalog)))
        for message in translation.messages
        if list(message.check(translation.catalog))
    ] == []
    assert [pair for pair in translation.pairs if places(pair[0]) != places(pair[1])] == []


def test_nothing_was_left_in_english(translation: Translation) -> None:
    assert {source for source, text in translation.pairs if source == text} == ALIKE[translation.tag]


def test_a_number_gets_the_plural_form_that_unicode_says(translation: Translation) -> None:
    """The catalogue's rule puts whole numbers into the classes of CLDR, one form a class, in every plural."""
    head = re.search(r"nplurals=(\d+); plural=(.*?);", (LOCALE / f"{translation.tag}.po").read_text(encoding="utf-8"))
    assert head is not None
    form, rule = c2py(head[2]), Locale.parse(translation.tag).plural_form
    classes = {(rule(number), form(number)) for number in range(1001)}
    assert len(classes) == len({name for name, _ in classes}) == len({index for _, index in classes}) == int(head[1])
    plurals = [message for message in translation.messages if message.pluralizable]
    assert plurals
    assert [message.id for message in plurals if len(message.string) != int(head[1])] == []


def test_marks_are_those_of_the_language(translation: Translation) -> None:
    opening, closing = QUOTES[translation.tag][0], QUOTES[translation.tag][1]
    for source, text in translation.pairs:
        # No typewriter's marks, and of others only the language's own, in pairs.
        assert not re.search(r"""["'`]|\.\.\.|--| {2}|\s-\s""", text), text
        assert set(re.findall("[“”„«»‹›‘]", text)) <= {opening, closing}, text
        assert text.count(opening) == text.count(closing), text
        assert text == text.strip(), text
        # A sentence stays a sentence and a label a label.
        assert bool(WHOLE.search(text)) == bool(WHOLE.search(source)), (source, text)
        # A figure and what it counts, an abbreviation and its time, are not torn apart at the end of a line.
        assert not re.search(r"\b(kl\.|klo) ", text), text
        assert unicodedata.is_normalized("NFC", text), text


def test_words_of_the_glossary_are_used_wherever_it_says(translation: Translation) -> None:
    """``docs/languages.md`` has one word for each thing; inflected, its first letters stay."""
    rows = glossary()
    assert len(rows) >= 10
    for row in rows:
        said = re.compile(rf"\b{re.escape(row['en'])}s?\b", re.IGNORECASE)
        for source, text in translation.pairs:
            if said.search(source):
                stems = [stem(word) for word in row[translation.tag].split(" / ")]
                assert any(found in plain(text) for found in stems), (row[translation.tag], source, text)


def glossary() -> list[dict[str, str]]:
    page = (ROOT / "docs/languages.md").read_text(encoding="utf-8")
    table = re.findall(r"^\|(.+)\|$", page.split("## Words")[1].split("\n## ")[0], re.MULTILINE)
    cells = [[cell.strip() for cell in row.split("|")] for row in table]
    return [dict(zip(cells[0], row, strict=True)) for row in cells[2:]]


def plain(text: str) -> str:
    """Lower case without dots and rings, which inflection puts on and takes away."""
    return "".join(one for one in unicodedata.normalize("NFD", text.lower()) if not unicodedata.combining(one))


def stem(word: str) -> str:
    return plain(word)[: max(3, len(word) * 3 // 4)]
