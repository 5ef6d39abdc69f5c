"""What may be asked of a link: each wish checked, and named by its field when it is wrong."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

import isodate

from domain.clock import parse_rfc3339
from domain.errors import BadInput

# Digits are bounded so that no arithmetic below can overflow (S-80).
_DURATION = re.compile(
    r"P(?=\d|T\d)(\d{1,5}Y)?(\d{1,5}M)?(\d{1,5}W)?(\d{1,6}D)?(T(?=\d)(\d{1,7}H)?(\d{1,8}M)?(\d{1,9}S)?)?", re.ASCII
)
_EXTENSION = re.compile(r"\.[a-z0-9][a-z0-9+_-]{0,15}(\.[a-z0-9][a-z0-9+_-]{0,15})?", re.ASCII)
_MEDIA_TYPE = re.compile(r"[a-z0-9][a-z0-9!#$&^_.+-]{0,63}/(\*|[a-z0-9][a-z0-9!#$&^_.+-]{0,126})", re.ASCII)
_LANGUAGE = re.compile(r"[A-Za-z]{2,3}(-[A-Za-z0-9]{2,8}){0,3}", re.ASCII)
# One mailbox as people write it; that it exists only a mail can tell. No quoted local parts, no comments, no spaces.
_ADDRESS = re.compile(r"[^\s\x00-\x20\x7f@<>()\[\]\\,;:\"]{1,64}@[^\s\x00-\x20\x7f@<>()\[\]\\,;:\"]{1,253}")

_TYPES_AT_MOST = 50
_COUNT_AT_MOST = 1_000_000
_BYTES_AT_MOST = 2**53 - 1
_NOTE_AT_MOST = 2000


@dataclass(frozen=True, slots=True)
class LinkLimits:
    """How long links live where nobody says it, and at the most."""

    upload_for: timedelta = timedelta(days=14)
    download_for: timedelta = timedelta(days=7)
    longest: timedelta = timedelta(days=365)


def expiry(
    now: datetime, expires_in: str | None, expires_at: datetime | str | None, *, default: timedelta, longest: timedelta
) -> datetime:
    """When a link ends. ``expires_in`` is an ISO 8601 duration by the calendar (months are months), ``expires_at`` an
    RFC 3339 instant; neither: after ``default``. Raises BadInput with the field."""
    if expires_in is not None and expires_at is not None:
        raise BadInput("say either expires_in or expires_at", field="expires_at")
    if expires_in is not None:
        at, field = _after(now, expires_in), "expires_in"
    elif expires_at is not None:
        at, field = _instant(expires_at), "expires_at"
    else:
        at, field = now + min(default, longest), "expires_in"
    if at <= now:
        raise BadInput("a link must end in the future", field=field)
    if at > now + longest:
        raise BadInput(f"a link may live {longest.days} days at the most", field=field)
    return at


def _after(now: datetime, text: str) -> datetime:
    if not _DURATION.fullmatch(text):
        raise BadInput("not an ISO 8601 duration such as P14D", field="expires_in")
    try:
        at: datetime = now + isodate.parse_duration(text)  # by the calendar where it has months or years
    except (OverflowError, ValueError) as error:
        raise BadInput("this lies beyond all calendars", field="expires_in") from error
    return at


def _instant(value: datetime | str) -> datetime:
    try:
        at = parse_rfc3339(value) if isinstance(value, str) else value
    except ValueError as error:
        raise BadInput("not an RFC 3339 instant", field="expires_at") from error
    if at.tzinfo is None:
        raise BadInput("the zone is missing", field="expires_at")
    return at


def count(value: int | None, field: str) -> int | None:
    """A limit on files or downloads: at least 1. Raises BadInput with the field."""
    return _between(value, field, _COUNT_AT_MOST)


def size(value: int | None, field: str) -> int | None:
    """A limit in bytes: at least 1. Raises BadInput with the field."""
    return _between(value, field, _BYTES_AT_MOST)


def _between(value: int | None, field: str, most: int) -> int | None:
    if value is None:
        return None
    if isinstance(value, bool) or not 1 <= value <= most:
        raise BadInput(f"must be a number from 1 to {most}", field=field)
    return value


def types(values: Sequence[str]) -> tuple[str, ...]:
    """Allowed types in lower case, each once: media types (``image/png``, ``image/*``) or extensions (``.pdf``).
    Raises BadInput."""
    if len(values) > _TYPES_AT_MOST:
        raise BadInput(f"{_TYPES_AT_MOST} types at the most", field="allowed_types")
    kept: dict[str, None] = {}
    for value in values:
        word = value.strip().lower()
        if not _EXTENSION.fullmatch(word) and not _MEDIA_TYPE.fullmatch(word):
            raise BadInput("each must be a media type or an extension with its dot", field="allowed_types")
        kept[word] = None
    return tuple(kept)


def language(value: str | None) -> str | None:
    """A language tag (RFC 5646, its plain forms). Raises BadInput."""
    if value is not None and not _LANGUAGE.fullmatch(value):
        raise BadInput("not a language tag such as sv", field="language")
    return value


def note(value: str | None) -> str | None:
    """What the requester reads above the form; None where nothing is left of it. Raises BadInput."""
    if value is None:
        return None
    if len(value) > _NOTE_AT_MOST:
        raise BadInput(f"{_NOTE_AT_MOST} characters at the most", field="note")
    if any(ord(letter) < 0x20 and letter not in "\n\t" for letter in value.replace("\r\n", "\n")):
        raise BadInput("control characters are not text", field="note")
    return value.strip() or None


def recipient(value: str | None) -> str | None:
    """A mail address. Raises BadInput."""
    if value is None:
        return None
    address = value.strip()
    if not _ADDRESS.fullmatch(address):
        raise BadInput("not a mail address", field="recipient")
    return address
