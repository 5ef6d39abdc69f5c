"""What a ticket system's JSON says, taken with care.

A field of the wrong type says nothing; what people wrote is made fit, never refused: a ticket must not be kept from us
by an odd subject. Only an answer that is useless as a whole raises DeskRefused.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime
from enum import Enum
from typing import Any, Final

from domain.errors import BadInput, DeskRefused
from tickets.checks import MAX_TAG, MAX_TAGS, check_day, check_email, check_instant, check_ref
from tickets.said import UNSAID, Unsaid

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
MOST_PAGES = 10_000
"""No list is longer: a system that goes on gives the same page over and over."""


class Missing(Enum):
    """The type of ``MISSING``."""

    MISSING = "missing"


MISSING: Final = Missing.MISSING
"""Nothing stands at a path; ``None`` may stand there."""


def at_path(value: Any, path: str) -> Any:
    """What stands at a dotted path, ``data.items.0.name``; ``MISSING`` where nothing does."""
    for step in path.split("."):
        if isinstance(value, dict) and step in value:
            value = value[step]
        elif isinstance(value, list) and step.isascii() and step.isdecimal() and int(step[:9]) < len(value):
            value = value[int(step[:9])]
        else:
            return MISSING
    return value


def record(value: Any, system: str) -> Mapping[str, Any]:
    """An object."""
    if not isinstance(value, dict):
        raise DeskRefused(f"{system} answered with something that is no object.")
    return value


def records(value: Any, system: str) -> list[Mapping[str, Any]]:
    """The objects of a list; what else stands in it is passed over."""
    if not isinstance(value, list):
        raise DeskRefused(f"{system} answered with something that is no list.")
    return [one for one in value if isinstance(one, dict)]


def inner(value: Any) -> Mapping[str, Any]:
    """An object inside of another one, empty where there is none."""
    return value if isinstance(value, dict) else {}


def entries(value: Any) -> list[Mapping[str, Any]]:
    """The objects of a list inside of an object, none where there is no list."""
    return [one for one in value if isinstance(one, dict)] if isinstance(value, list) else []


def identifier(value: Any) -> str | None:
    """A system's id of something, a number or a word that can be a name here too; None for what cannot."""
    if isinstance(value, bool) or not isinstance(value, int | str):
        return None
    try:
        return check_ref(str(value), "id")
    except (BadInput, ValueError):  # ValueError: a number of thousands of digits
        return None


def number(value: Any) -> int | None:
    """A number that counts or names, as one or in digits; None for what is none."""
    if isinstance(value, int) and not isinstance(value, bool):
        return value if 0 <= value < 1 << 63 else None
    if isinstance(value, str) and value.isascii() and value.isdecimal() and len(value) < 19:
        return int(value)
    return None


def line(value: Any, longest: int) -> str | None:
    """One line of printable text; None where nothing is left."""
    plain = "".join(c if c.isprintable() else " " for c in value) if isinstance(value, str) else ""
    return " ".join(plain.split())[:longest].strip() or None


def email(value: Any) -> str | None:
    """A mail address; None for what is none."""
    if not isinstance(value, str):
        return None
    try:
        return check_email(value, "requester.email")
    except BadInput:
        return None


def tags(value: Any) -> tuple[str, ...]:
    """Words of a list."""
    found = [line(one, MAX_TAG) for one in value] if isinstance(value, list) else []
    return tuple(sorted({one for one in found if one})[:MAX_TAGS])


def instant(value: Any) -> datetime | None:
    """An instant in ISO 8601, in UTC where no zone is named; None for what is none, or of no year of ours."""
    if not isinstance(value, str) or not value:
        return None
    try:
        found = datetime.fromisoformat(value.strip())
        return check_instant(found if found.tzinfo else found.replace(tzinfo=UTC), "at")
    except (ValueError, OverflowError, BadInput):
        return None


def day(value: Any) -> date | None:
    """A day, the first ten characters of what is written; None for what is none."""
    if not isinstance(value, str):
        return None
    try:
        return check_day(date.fromisoformat(value.strip()[:10]), "day")
    except (ValueError, BadInput):
        return None


def contract_end(fields: Mapping[str, Any], name: str | None) -> date | Unsaid | None:
    """A contract's last day out of a field. None: it is empty, the contract runs on. UNSAID, and what is known stays:
    there is no such field, or what stands in it is no day."""
    if name is None or name not in fields:
        return UNSAID
    written = fields[name]
    if written is None or written == "":
        return None
    return day(written) or UNSAID


def microseconds(at: datetime | None) -> int:
    """Since 1970, as a ticket's version counts them; 0 for no instant."""
    if at is None:
        return 0
    passed = at - EPOCH
    return max(0, (passed.days * 86_400 + passed.seconds) * 1_000_000 + passed.microseconds)


def body_of(raw: bytes) -> Mapping[str, Any]:
    """A webhook's body as an object. Raises BadInput."""
    try:
        found = json.loads(raw)
    except (ValueError, RecursionError) as error:
        raise BadInput("This is no JSON.") from error
    if not isinstance(found, dict):
        raise BadInput("This is no JSON object.")
    return found


def place(cursor: str | None, *names: str) -> Mapping[str, int]:
    """A cursor of whole numbers by name, empty for None. Raises BadInput for what is no cursor of ours."""
    if cursor is None:
        return {}
    try:
        found = json.loads(cursor)
    except (ValueError, RecursionError) as error:
        raise BadInput("This is no place in the system's lists.", field="cursor") from error
    if not isinstance(found, dict) or any(name not in names or number(value) is None for name, value in found.items()):
        raise BadInput("This is no place in the system's lists.", field="cursor")
    return found


def first(*values: datetime | None) -> datetime | None:
    """The first that is there."""
    return next((value for value in values if value is not None), None)


def chosen(names: Sequence[str], choice: str, fields: Mapping[str, Any]) -> Any:
    """What stands in the field of that name, of the fields or one wrapping further in."""
    for name in names:
        wrapped = inner(fields.get(name))
        if choice in wrapped:
            return wrapped[choice]
    return fields.get(choice)
