"""Values of options, checked where they are typed in."""

from __future__ import annotations

from datetime import date, datetime
from typing import Any

import click

from domain.clock import parse_rfc3339


class _Instant(click.ParamType[datetime]):
    name = "TS"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> datetime:
        if isinstance(value, datetime):
            return value
        try:
            return parse_rfc3339(value)
        except ValueError:
            return self.fail(f"{value}: not an RFC 3339 instant with a zone, such as 2026-11-24T11:00:00Z", param, ctx)


class _DateOrNever(click.ParamType[date | str]):
    name = "DATE|never"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> date | str:
        if isinstance(value, date):
            return value
        if value == "never":
            return "never"
        try:
            return date.fromisoformat(value)
        except ValueError:
            return self.fail(f"{value}: neither a date such as 2027-03-31 nor never", param, ctx)


class _Day(click.ParamType[date]):
    name = "DATE"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> date:
        try:
            return value if isinstance(value, date) else date.fromisoformat(value)
        except ValueError:
            return self.fail(f"{value}: not a date such as 2027-03-31", param, ctx)


LANGUAGE = click.Choice(["en", "sv", "nb", "da", "fi", "de"])
INSTANT = _Instant()
DATE_OR_NEVER = _DateOrNever()
DAY = _Day()
