"""Languages of pages and mails: catalogues read from their ``.po`` sources, and which one a person gets (R14)."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from gettext import GNUTranslations, NullTranslations
from importlib.resources import files
from io import BytesIO

from babel import Locale, negotiate_locale
from babel.dates import format_date, format_time
from babel.lists import format_list
from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po
from babel.numbers import format_decimal
from babel.units import format_unit

SOURCE = "en"
NAMES: Mapping[str, str] = {
    "en": "English",
    "sv": "Svenska",
    "nb": "Norsk",
    "da": "Dansk",
    "fi": "Suomi",
    "de": "Deutsch",
}
"""Every language there is, by its own name."""
NEAREST: Mapping[str, str] = {"no": "nb", "nn": "nb"}
"""Who reads which of ours, where theirs is not among them."""
LOCALES: Mapping[str, str] = {"en": "en_GB"}
"""Whose way of writing dates and numbers, where the language alone does not say."""
BYTES: Mapping[str, str] = {"fi": "t"}
"""What a byte is called, where that is not B: 1,5 Mt."""
UNITS: Mapping[str, str] = {"Y": "year", "M": "month", "W": "week", "D": "day"}


@dataclass(frozen=True, slots=True)
class Language:
    """One language: its tag, its words, and how it writes dates and sizes."""

    tag: str
    words: NullTranslations
    locale: Locale

    def text(self, message: str, **values: object) -> str:
        """A message in this language; ``%(name)s`` takes a value."""
        return self.words.gettext(message) % values if values else self.words.gettext(message)

    def size(self, size: int) -> str:
        """A size in bytes as a person reads it: ``1,5 MB`` (powers of ten, as file managers and phones show it)."""
        amount, unit = float(size), "B"
        for unit in ("B", "kB", "MB", "GB", "TB"):
            if amount < 1000 or unit == "TB":
                break
            amount /= 1000
        pattern = "#,##0" if unit == "B" or amount >= 100 else "#,##0.#"
        unit = unit.replace("B", BYTES.get(self.tag, "B"))
        return f"{format_decimal(amount, pattern, locale=self.locale)}\u00a0{unit}"

    def instant(self, at: datetime) -> str:
        """An instant with its zone: ``24 November 2026, 11:00 UTC``."""
        clock = f"{format_time(at, 'short', locale=self.locale)}\u00a0UTC"
        return self.text("%(day)s, %(time)s", day=self.day(at), time=clock)

    def day(self, at: date) -> str:
        """A day in words: ``24 November 2026``."""
        return format_date(at, "long", locale=self.locale)

    def span(self, length: timedelta) -> str:
        """A length of time: ``30 days``, in the largest unit that counts it in whole numbers."""
        for unit, size in (("day", timedelta(days=1)), ("hour", timedelta(hours=1)), ("minute", timedelta(minutes=1))):
            if length >= size and not length % size:
                return format_unit(length // size, unit, length="long", locale=self.locale)
        return format_unit(int(length.total_seconds()), "second", length="long", locale=self.locale)

    def rule(self, words: str) -> str:
        """A retention rule in this language: ``1 year after the last activity on the ticket``.

        ``words`` are those of ``retention.rules``, the rule's own name before a colon left out; what is not of their
        form is shown as it is.
        """
        period, _, fact = words.rpartition(": ")[2].partition(" after ")
        parts = re.findall(r"(\d+)([YMWD])", period)
        said = [format_unit(int(number), UNITS[unit], length="long", locale=self.locale) for number, unit in parts]
        long = format_list(said, locale=self.locale)
        after = {
            "contract_ends_on": self.text("%(period)s after the last day of the customer’s contract", period=long),
            "last_activity_at": self.text("%(period)s after the last activity on the ticket", period=long),
            "opened_at": self.text("%(period)s after the ticket was opened", period=long),
            "closed_at": self.text("%(period)s after the ticket was closed", period=long),
        }
        return after.get(fact, words) if said else words

    def kind(self, allowed: str) -> str:
        """What an entry of a link's allowed types means to a person: ``image/*`` are images."""
        return {
            "image/*": self.text("images"),
            "video/*": self.text("videos"),
            "audio/*": self.text("sound"),
            "text/*": self.text("text"),
        }.get(allowed, allowed.removeprefix(".").upper() if allowed.startswith(".") else allowed)


class Languages:
    """All languages, read once."""

    def __init__(self, default: str) -> None:
        self._all = {tag: _read(tag) for tag in NAMES}
        self.default = self._all[default]

    def get(self, tag: str | None) -> Language | None:
        """A language by its tag."""
        return self._all.get(tag or "")

    def negotiate(self, *, chosen: str | None, link: str | None, accept: str) -> Language:
        """What the person chose, else what the link says, else what the browser prefers, else the default."""
        asked = [form for tag in (chosen, link, *_preferred(accept)) if tag for form in _forms(tag)]
        return self._all.get(negotiate_locale(asked, self._all, sep="-") or "", self.default)

    def __iter__(self) -> Iterator[Language]:
        return iter(self._all.values())


def _preferred(accept: str) -> list[str]:
    """Tags of an ``Accept-Language`` field by weight (RFC 9110, section 12.5.4)."""
    weighted: list[tuple[float, int, str]] = []
    for place, item in enumerate(accept[:500].split(",")):
        tag, _, rest = item.strip().partition(";")
        try:
            weight = float(rest.strip().removeprefix("q=")) if rest else 1.0
        except ValueError:
            continue
        if tag and weight > 0:
            weighted.append((-weight, place, tag))
    return [tag for _, _, tag in sorted(weighted)]


def _forms(tag: str) -> tuple[str, ...]:
    """What a tag may be met with, best first: ``sv-FI`` with ``sv``, ``nn-NO`` with ``nb``."""
    tag = tag.lower()
    own = tag.split("-")[0]
    return tag, own, NEAREST.get(own, own)


def _read(tag: str) -> Language:
    locale = Locale.parse(LOCALES.get(tag, tag))
    if tag == SOURCE:
        return Language(tag, NullTranslations(), locale)
    source = files("web.pages").joinpath("locale", f"{tag}.po").read_bytes()
    compiled = BytesIO()
    write_mo(compiled, read_po(BytesIO(source), locale=tag))
    compiled.seek(0)
    return Language(tag, GNUTranslations(compiled), locale)
