"""Languages: how dates, sizes and rules read in each, and that every text of the pages is translated."""

from __future__ import annotations

from datetime import UTC, date, datetime
from pathlib import Path

import pytest
from babel.messages.catalog import Catalog
from babel.messages.extract import extract_from_dir
from babel.messages.frontend import parse_mapping_cfg
from babel.messages.pofile import read_po

from web.pages import Languages
from web.pages.languages import NAMES, SOURCE

ROOT = Path(__file__).parents[3]
LANGUAGES = Languages("en")
EN = LANGUAGES.negotiate(chosen="en", link=None, accept="")
SV = LANGUAGES.negotiate(chosen="sv", link=None, accept="")
AT = datetime(2026, 12, 1, 12, 5, 59, tzinfo=UTC)
KEYWORDS = {"_": None, "gettext": None, "ngettext": (1, 2), "text": None}


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
TRANSLATED = [tag for tag in NAMES if tag != SOURCE]


@pytest.fixture(params=TRANSLATED)
def translated(request: pytest.FixtureRequest) -> Catalog:
    with (ROOT / f"web/pages/locale/{request.param}.po").open("rb") as file:
        return read_po(file, locale=request.param)


def test_every_text_is_found_where_it_is_written() -> None:
    # From a template, from a plural, from code: a search that finds nothing would pass all below.
    assert {"Send your files", ("%(num)s file", "%(num)s files"), "images"} <= WRITTEN
    assert len(WRITTEN) > 150


def test_no_text_is_missing(translated: Catalog) -> None:
    done = {message.id for message in translated if message.id and all(strings(message.string))}
    assert WRITTEN - done == set()


def test_no_translation_is_left_of_a_text_that_is_gone_or_was_guessed(translated: Catalog) -> None:
    assert {message.id for message in translated if message.id} - WRITTEN == set()
    assert not translated.obsolete
    assert [message.id for message in translated if message.id and message.fuzzy] == []


def test_every_translation_takes_the_values_that_its_text_takes(translated: Catalog) -> None:
    assert [(message.id, list(message.check(translated))) for message in translated if list(message.check())] == []
    for message in translated:
        if message.id:
            assert [places(text) for text in strings(message.string)] == [places(text) for text in strings(message.id)]


def strings(of: str | tuple[str, ...] | list[str]) -> list[str]:
    return [of] if isinstance(of, str) else list(of)


def places(text: str) -> set[str]:
    return {part.split(")")[0] for part in text.split("%(")[1:]}


@pytest.mark.parametrize(
    ("language", "instant", "day"),
    [
        (EN, "1 December 2026, 12:05\u00a0UTC", "1 December 2026"),
        (SV, "1 december 2026 kl. 12:05\u00a0UTC", "1 december 2026"),
    ],
)
def test_instants_and_days_are_written_as_people_there_write_them(language, instant, day) -> None:
    assert language.instant(AT) == instant
    assert language.day(AT) == language.day(date(2026, 12, 1)) == day


@pytest.mark.parametrize(
    ("size", "en", "sv"),
    [
        (0, "0\u00a0B", "0\u00a0B"),
        (999, "999\u00a0B", "999\u00a0B"),
        (1500, "1.5\u00a0kB", "1,5\u00a0kB"),
        (50_000_000, "50\u00a0MB", "50\u00a0MB"),
        (100 << 30, "107\u00a0GB", "107\u00a0GB"),
        (1234 * 10**12, "1,234\u00a0TB", "1\u00a0234\u00a0TB"),
    ],
)
def test_sizes_are_written_as_file_managers_write_them(size, en, sv) -> None:
    assert (EN.size(size), SV.size(size)) == (en, sv)


@pytest.mark.parametrize(
    ("rule", "en", "sv"),
    [
        (
            "P1Y after contract_ends_on",
            "1 year after the last day of the customer’s contract",
            "1 år efter sista dagen i kundens avtal",
        ),
        (
            "P18M after last_activity_at",
            "18 months after the last activity on the ticket",
            "18 månader efter senaste aktivitet i ärendet",
        ),
        (
            "P1Y6M10D after closed_at",
            "1 year, 6 months and 10 days after the ticket was closed",
            "1 år, 6 månader och 10 dygn efter att ärendet stängdes",
        ),
        ("P2W after something_new", "P2W after something_new", "P2W after something_new"),
    ],
)
def test_retention_rules_are_said_in_words(rule, en, sv) -> None:
    assert (EN.rule(rule), SV.rule(rule)) == (en, sv)


def test_types_of_files_are_said_in_words() -> None:
    assert [SV.kind(one) for one in ("image/*", ".pdf", "application/zip")] == ["bilder", "PDF", "application/zip"]


@pytest.mark.parametrize(
    ("chosen", "link", "accept", "got"),
    [
        ("sv", "en", "en", "sv"),
        (None, "sv", "en", "sv"),
        (None, None, "sv-FI, en;q=0.5", "sv"),
        (None, None, "sv;q=0.1, en-US", "en"),
        (None, None, "fi, sv;q=0", "en"),
        (None, None, "sv;q=high, *", "en"),
        ("xx", "yy", "", "en"),
    ],
)
def test_a_person_gets_the_language_that_was_chosen_else_the_links_else_the_browsers(chosen, link, accept, got) -> None:
    assert LANGUAGES.negotiate(chosen=chosen, link=link, accept=accept).tag == got
