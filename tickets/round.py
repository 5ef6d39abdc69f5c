"""What one round of reading a ticket system came to."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from datetime import datetime

from domain.clock import rfc3339

LISTED = 100


@dataclass(slots=True)
class Round:
    """Counts of one round. ``refused``: ids, in their system, of tickets that cannot be kept here, with the field that
    is wrong. ``trouble``: the code of what stopped it; None: it came to its end."""

    connector: str
    started_at: datetime
    full: bool = False
    hints: int = 0
    organisations: int = 0
    seen: int = 0
    new: int = 0
    changed: int = 0
    gone: int = 0
    asked_again: int = 0
    """Tickets looked at one by one: due to be erased, or not heard of for long."""
    notes_written: int = 0
    refused: list[tuple[str, str]] = field(default_factory=list)
    hints_waiting: int = 0
    notes_waiting: int = 0
    files_waiting: int = 0
    trouble: str | None = None
    detail: str | None = None
    wait_until: datetime | None = None
    ended_at: datetime | None = None

    def refuse(self, source_id: str, field_name: str) -> None:
        """Name a ticket that was refused."""
        if len(self.refused) < LISTED:
            self.refused.append((source_id, field_name))

    def shown(self) -> dict[str, object]:
        """As plain values, for commands and for the row."""
        times = {"started_at": self.started_at, "ended_at": self.ended_at, "wait_until": self.wait_until}
        counts = (
            "hints",
            "organisations",
            "seen",
            "new",
            "changed",
            "gone",
            "asked_again",
            "notes_written",
            "hints_waiting",
            "notes_waiting",
            "files_waiting",
        )
        return {
            "connector": self.connector,
            "full": self.full,
            **{name: getattr(self, name) for name in counts},
            "refused": [{"id": source_id, "field": name} for source_id, name in self.refused],
            "trouble": self.trouble,
            "detail": self.detail,
            **{name: None if at is None else rfc3339(at) for name, at in times.items()},
        }

    def written(self) -> str:
        """As JSON."""
        return json.dumps(self.shown(), ensure_ascii=False)
