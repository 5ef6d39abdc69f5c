"""What a ticket system may say: every field checked before anything is done with it. Raises BadInput with the field."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence
from datetime import UTC, date, datetime

from domain.errors import BadInput

MAX_REF = 255
MAX_SUBJECT = 1000
MAX_NAME = 255
MAX_EMAIL = 320
MAX_TAG = 255
MAX_TAGS = 200
CONNECTOR = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,38}[a-z0-9])?")
_EARLIEST = datetime(1900, 1, 1, tzinfo=UTC)
_LATEST = datetime(9000, 1, 1, tzinfo=UTC)
_CHANNEL = re.compile(r"[A-Za-z0-9][A-Za-z0-9 ._:-]{0,63}")


def check_ref(ref: str, field: str) -> str:
    """An outside name of a ticket or an organisation: 1–255 characters that a URL's segment can carry."""
    if not 1 <= len(ref) <= MAX_REF:
        raise BadInput(f"1 to {MAX_REF} characters are needed here.", field=field)
    if ref != ref.strip() or _has_control(ref):
        raise BadInput("Control characters and outer spaces are not allowed here.", field=field)
    if not ref.strip("/\\."):
        raise BadInput("Slashes and dots alone are no name.", field=field)
    return ref


def check_line(text: str, field: str, longest: int) -> str:
    """One line of text as people write it, outer spaces off, not empty."""
    text = text.strip()
    if not 1 <= len(text) <= longest:
        raise BadInput(f"1 to {longest} characters are needed here.", field=field)
    if _has_control(text):
        raise BadInput("Control characters are not allowed here.", field=field)
    return text


def check_subject(text: str) -> str | None:
    """A ticket's subject; line breaks and tabs, which mail brings, become spaces, and an empty one is none."""
    text = " ".join(text.split())
    return check_line(text, "subject", MAX_SUBJECT) if text else None


def check_email(address: str, field: str) -> str:
    """A mail address as written: whether it takes mail is for the mail to find out."""
    address = check_line(address, field, MAX_EMAIL)
    local, at, host = address.rpartition("@")
    if not (local and at and host) or any(character.isspace() for character in address):
        raise BadInput("This is not a mail address.", field=field)
    return address


def check_channel(channel: str) -> str:
    """By what way the ticket came: a short plain word, for it is kept in clear."""
    if not _CHANNEL.fullmatch(channel):
        raise BadInput("A short plain word is needed here.", field="channel")
    return channel


def check_tags(tags: Sequence[str]) -> tuple[str, ...]:
    """Words a ticket is sorted by, in order and each once; blank ones are none. They are kept in clear, as the rules of
    retention ask for them: systems that let people write names there are the administrator's to see to."""
    found = sorted({" ".join(tag.split()) for tag in tags} - {""})
    if len(found) > MAX_TAGS:
        raise BadInput(f"No more than {MAX_TAGS} tags are taken.", field="tags")
    return tuple(check_line(tag, "tags", MAX_TAG) for tag in found)


def check_connector(name: str) -> str:
    """The name of a connector's settings."""
    if not CONNECTOR.fullmatch(name):
        raise BadInput("Small letters, digits and hyphens, at most 40, are needed here.", field="connector")
    return name


def check_instant(at: datetime, field: str) -> datetime:
    """An instant with a zone, in UTC, of a year that calendars can count from."""
    if at.tzinfo is None:
        raise BadInput("The time zone is missing.", field=field)
    if not _EARLIEST <= at <= _LATEST:
        raise BadInput("This year is out of range.", field=field)
    return at.astimezone(UTC)


def check_day(day: date, field: str) -> date:
    """A day of a year that calendars can count from; the last of them, ``9999-12-31``, is a common way to say never."""
    if isinstance(day, datetime) or day < _EARLIEST.date():
        raise BadInput("This is not a day of our time.", field=field)
    return day


def normalise_email(address: str) -> str:
    """The form in which two spellings of a mail address are one: for finding, never for sending."""
    return unicodedata.normalize("NFC", address.strip()).casefold()


def _has_control(text: str) -> bool:
    # Cc control, Cf invisible (bidi, zero width), Cs half of a pair, Zl and Zp line breaks
    return any(unicodedata.category(character) in {"Cc", "Cf", "Cs", "Zl", "Zp"} for character in text)
