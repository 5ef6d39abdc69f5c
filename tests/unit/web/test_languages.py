"""Languages: how dates, sizes and rules read in each, and which one a person gets."""

from __future__ import annotations

from datetime import UTC, date, datetime

import pytest

from web.pages import Languages
from web.pages.languages import Language

LANGUAGES = Languages("en")


def language(tag: str) -> Language:
    found = LANGUAGES.get(tag)
    assert found is not None
    return found


EN, SV, NB, DA, FI, DE = (language(tag) for tag in ("en", "sv", "nb", "da", "fi", "de"))
AT = datetime(2026, 12, 1, 12, 5, 59, tzinfo=UTC)


@pytest.mark.parametrize(
    ("language", "instant", "day"),
    [
        (EN, "1 December 2026, 12:05\u00a0UTC", "1 December 2026"),
        (SV, "1 december 2026 kl.\u00a012:05\u00a0UTC", "1 december 2026"),
        (NB, "1. desember 2026 kl.\u00a012:05\u00a0UTC", "1. desember 2026"),
        (DA, "1. december 2026 kl.\u00a012.05\u00a0UTC", "1. december 2026"),
        (FI, "1. joulukuuta 2026 klo\u00a012.05\u00a0UTC", "1. joulukuuta 2026"),
        (DE, "1. Dezember 2026, 12:05\u00a0UTC", "1. Dezember 2026"),
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
    assert FI.size(size) == sv.replace("B", "t")
    assert DE.size(size) == DA.size(size) == sv.replace("1\u00a0234", "1.234")
    assert NB.size(size) == sv


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
        (
            "tax: P7Y after opened_at",
            "7 years after the ticket was opened",
            "7 år efter att ärendet öppnades",
        ),
        ("P2W after something_new", "P2W after something_new", "P2W after something_new"),
    ],
)
def test_retention_rules_are_said_in_words(rule, en, sv) -> None:
    assert (EN.rule(rule), SV.rule(rule)) == (en, sv)


@pytest.mark.parametrize(
    ("language", "said"),
    [
        (NB, "1 år, 6 måneder og 10 døgn etter at saken ble avsluttet"),
        (DA, "1 år, 6 måneder og 10 dage efter sagens afslutning"),
        (FI, "1 vuosi, 6 kuukautta ja 10 päivää tukipyynnön sulkemisen jälkeen"),
        (DE, "1 Jahr, 6 Monate und 10 Tage nach dem Abschluss des Vorgangs"),
    ],
)
def test_spans_of_time_are_counted_as_each_language_counts(language, said) -> None:
    assert language.rule("P1Y6M10D after closed_at") == said


def test_types_of_files_are_said_in_words() -> None:
    assert [SV.kind(one) for one in ("image/*", ".pdf", "application/zip")] == ["bilder", "PDF", "application/zip"]


@pytest.mark.parametrize(
    ("chosen", "link", "accept", "got"),
    [
        ("sv", "en", "en", "sv"),
        (None, "sv", "en", "sv"),
        (None, None, "sv-FI, en;q=0.5", "sv"),
        (None, None, "sv;q=0.1, en-US", "en"),
        (None, None, "fr, sv;q=0", "en"),
        (None, None, "fr, da;q=0.3, fi;q=0.4", "fi"),
        (None, None, "de-AT", "de"),
        (None, None, "DE-ch", "de"),
        (None, None, "no", "nb"),
        (None, None, "nb-NO, no;q=0.8, en;q=0.5", "nb"),
        (None, None, "nn-NO, da;q=0.8", "nb"),
        (None, "sv-FI", "en", "sv"),
        (None, "fr", "de", "de"),
        ("fr", None, "de", "de"),
        (None, None, "sv;q=high, *", "en"),
        ("xx", "yy", "", "en"),
    ],
)
def test_a_person_gets_the_language_that_was_chosen_else_the_links_else_the_browsers(chosen, link, accept, got) -> None:
    assert LANGUAGES.negotiate(chosen=chosen, link=link, accept=accept).tag == got
