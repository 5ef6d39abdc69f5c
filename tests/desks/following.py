"""A small site that reads a ticket system in memory."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Any

from domain.ticket import Ticket
from retention import Policy
from storage.records import NoteRow, Unit
from tests.desks.fake import FakeDesk, FakeHook
from tests.small_site import PurgeSite
from tickets import Connectors, Freshness, Hooks, Made, Notes, Reconcile, Round, Writing

NAME = "fake"


class FollowingSite(PurgeSite):
    """``desk`` is what it reads, ``frame`` what its section says."""

    def __init__(self, folder: Path, policy: Policy | None = None, **frame: Any) -> None:
        super().__init__(folder, policy)
        self.desk = FakeDesk(prefix="F-", now=self.clock())
        self.hook = FakeHook()
        self.links = 0
        section = {"kind": "fake", "prefix": "F-", "every": timedelta(minutes=1), **frame}
        self.connectors = Connectors(
            {NAME: section}, lambda kind: lambda section: Made(self.desk, self.hook), lambda name, number: "made"
        )
        writing = Writing(self._link, lambda unit, ref: f"https://bilaga.example/agent/tickets/{ref}", "en")
        self.notes = Notes(self.records, self.keys, self.clock, writing)
        self.reconcile = Reconcile(self.records, self.facts, self.clock, self.connectors, self.notes)
        self.hooks = Hooks(self.records, self.facts, self.clock, self.connectors)
        self.freshness = Freshness(self.connectors.asks, self.clock)

    def round(self, *, full: bool = False) -> Round:
        """One round, at a time when one may be made."""
        return self.reconcile.run(NAME, full=full)

    def known(self, source_id: str) -> Ticket:
        """The ticket of that id in its system."""
        found = self.records.read(lambda unit: unit.tickets.by_source(NAME, source_id))
        assert found is not None
        return found

    def waiting(self) -> list[NoteRow]:
        return list(self.records.read(lambda unit: unit.source_notes.waiting(NAME, self.clock(), limit=100)))

    def _link(self, unit: Unit, ref: str) -> str:
        self.links += 1
        return f"https://bilaga.example/u/{ref}-{self.links}"
