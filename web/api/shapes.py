"""Field types that the API's shapes share, and the mark of a field that was left out."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

from pydantic import AfterValidator, BeforeValidator, Field, PlainSerializer, StringConstraints

from domain.clock import parse_rfc3339, rfc3339
from web.cursors import DEFAULT_LIMIT, MAX_LIMIT
from web.spec import Shape


def _instant(value: object) -> object:
    if isinstance(value, str):
        try:
            return parse_rfc3339(value)
        except ValueError:
            raise ValueError("must be an RFC 3339 instant with a zone, such as 2026-11-24T11:00:00Z") from None
    if isinstance(value, datetime):
        return value
    raise ValueError("must be an RFC 3339 instant")


def _aware(value: datetime) -> datetime:
    if value.tzinfo is None:
        raise ValueError("must name its zone")
    return value


Instant = Annotated[
    datetime,
    BeforeValidator(_instant, json_schema_input_type=str),
    AfterValidator(_aware),
    PlainSerializer(rfc3339, return_type=str),
    Field(json_schema_extra={"format": "date-time"}),
]
"""An instant: RFC 3339, in UTC when we write it."""

Text = Annotated[str, StringConstraints(max_length=2000)]
Limit = Annotated[int, Field(ge=1, le=MAX_LIMIT)]


class PageQuery(Shape):
    """Where in a list, and how much of it."""

    cursor: str | None = None
    limit: Limit = DEFAULT_LIMIT
