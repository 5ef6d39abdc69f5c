"""What other systems say, made fit for our own checks where nothing hangs on it: one odd name keeps no ticket out."""

from __future__ import annotations

import unicodedata
from collections.abc import Callable
from dataclasses import replace
from typing import TypeVar

from domain.errors import BadInput
from tickets.checks import MAX_NAME, MAX_SUBJECT, MAX_TAG, MAX_TAGS, check_channel, check_email, check_line
from tickets.said import TicketFact, Unsaid

T = TypeVar("T")


def tidied(fact: TicketFact) -> TicketFact:
    """The fact with subject, people, channel and tags as our checks take them, or none. Names and times by which
    retention counts stay as they are: where they are wrong, the ticket is refused and said so."""
    tags = fact.tags
    return replace(
        fact,
        subject=_taken(fact.subject, lambda text: _line(text, MAX_SUBJECT)),
        requester_email=_taken(fact.requester_email, lambda text: check_email(text, "requester.email")),
        requester_name=_taken(fact.requester_name, lambda text: _line(text, MAX_NAME)),
        channel=_taken(fact.channel, check_channel),
        tags=tags
        if tags is None or isinstance(tags, Unsaid)
        else tuple(tag for tag in (_line(tag, MAX_TAG) for tag in tags) if tag)[:MAX_TAGS],
    )


def _taken(value: str | Unsaid | None, check: Callable[[str], str | None]) -> str | Unsaid | None:
    if value is None or isinstance(value, Unsaid):
        return value
    try:
        return check(value)
    except BadInput:
        return None


def _line(text: str, longest: int) -> str | None:
    seen = "".join(" " if unicodedata.category(one) in {"Cc", "Zl", "Zp"} else one for one in text)
    kept = "".join(one for one in seen if unicodedata.category(one) not in {"Cf", "Cs"})
    line = " ".join(kept.split())[:longest].strip()
    return check_line(line, "text", longest) if line else None
