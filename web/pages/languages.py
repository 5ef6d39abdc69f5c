"""Languages of pages and mails: catalogues read from their ``.po`` sources, and which one a person gets (R14)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from gettext import GNUTranslations, NullTranslations
from importlib.resources import files
from io import BytesIO

from babel import Locale, negotiate_locale
from babel.dates import format_date, format_datetime
from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po
from babel.numbers import format_decimal

SOURCE = "en"
NAMES: Mapping[str, str] = {"en": "English", "sv": "Svenska"}
"""Every language there is, by its own name."""


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
        return f"{format_decimal(amount, pattern, locale=self.locale)}\u00a0{unit}"

    def instant(self, at: datetime) -> str:
        """An instant with its zone: ``24 Nov 2026, 11:00 UTC``; scripts show it in the reader's own zone."""
        return f"{format_datetime(at, 'medium', locale=self.locale)} UTC"

    def day(self, at: datetime) -> str:
        """A day in words."""
        return format_date(at, "long", locale=self.locale)


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
        for tag in (chosen, link):
            if tag and (language := self._all.get(tag)):
                return language
        found = negotiate_locale(_preferred(accept), self._all, sep="-")
        return self._all.get(found or "", self.default)

    def __iter__(self) -> Iterator[Language]:
        return iter(self._all.values())


def _preferred(accept: str) -> list[str]:
    """Tags of an ``Accept-Language`` field by weight, ``sv-SE`` followed by ``sv`` (RFC 9110, section 12.5.4)."""
    weighted: list[tuple[float, int, str]] = []
    for place, item in enumerate(accept[:500].split(",")):
        tag, _, rest = item.strip().partition(";")
        try:
            weight = float(rest.strip().removeprefix("q=")) if rest else 1.0
        except ValueError:
            continue
        if tag and weight > 0:
            weighted.append((-weight, place, tag))
    tags = [tag for _, _, tag in sorted(weighted)]
    return [form for tag in tags for form in (tag, tag.split("-")[0])]


def _read(tag: str) -> Language:
    locale = Locale.parse(tag)
    if tag == SOURCE:
        return Language(tag, NullTranslations(), locale)
    source = files("web.pages").joinpath("locale", f"{tag}.po").read_bytes()
    compiled = BytesIO()
    write_mo(compiled, read_po(BytesIO(source), locale=tag))
    compiled.seek(0)
    return Language(tag, GNUTranslations(compiled), locale)
