"""What Freshdesk answers where something is wrong, and how it writes an instant."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any


class Problem(Exception):
    """An answer that is no success."""

    def __init__(self, status: int, body: Any = None, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(status)
        self.status, self.body, self.headers = status, body, dict(headers or {})


def invalid(name: str, message: str, code: str) -> Problem:
    """A validation error."""
    errors = [{"field": name, "message": message, "code": code}]
    return Problem(400, {"description": "Validation failed", "errors": errors})


def when(at: datetime | None) -> str | None:
    """An instant as Freshdesk writes it: whole seconds."""
    return None if at is None else at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def instant(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)
