"""A site below the web beside a Freshdesk that stands in: what tests of evacuation stand on."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Sequence
from datetime import timedelta
from hashlib import sha256
from pathlib import Path
from typing import Any

from domain.actor import EVERYTHING, Actor, Role
from domain.source import SourceFileRow, SourceFileState
from evacuation import SiteVault
from retention import Policy
from storage import Records, Unit
from tests.desks.freshdesk import Freshdesk
from tests.transfers import StoreDigests, TransferSite
from tickets import Errand, Evacuation, EvacuationReport, Facts
from tickets.freshdesk import Freshdesk as FreshdeskDesk
from tickets.freshdesk import FreshdeskSettings
from tickets.freshdesk_pace import Pace
from tickets.outgoing import Outgoing

AGENT = Actor(Role.AGENT)
FILES = (("report.pdf", b"%PDF-1.7 a report", "application/pdf"), ("log.txt", b"line\n" * 40, "text/plain"))


class EvacuationSite(TransferSite):
    """A site that brings files home, and the account they come from."""

    def __init__(self, folder: Path, standing_in: Freshdesk, **how: Any) -> None:
        super().__init__(folder, **how)
        self.standing_in = standing_in
        self.account = standing_in.account
        policy = Policy.from_mapping({"time_zone": "Europe/Stockholm"})
        self.facts = Facts(self.keys, self.log, policy.of, self.clock, self.ring.secret("search"))
        self.digesting = StoreDigests(self.blobs)
        self.public_url = "https://vault.example"
        self.slept: list[float] = []
        self.passed: list[str] = []

    def evacuation(self, *, connector: str = "fd", delete: bool = True, **more: Any) -> Evacuation:
        headers = {"Authorization": "Basic " + b64encode(f"{self.account.key}:X".encode()).decode()}
        outgoing = Outgoing(
            self.standing_in.url,
            headers=headers,
            allow_loopback=True,
            allowed_hosts=["localhost"],
            sleep=lambda seconds: None,
        )
        desk = FreshdeskDesk(FreshdeskSettings("FD-"), outgoing, Pace(1_000_000))
        errand = Errand(
            self.records,
            self.log,
            self.clock,
            connector,
            desk,
            SiteVault(self, self.reception, connector),  # type: ignore[arg-type]
            delete=delete,
            sleep=self.slept.append,
            **{"steps": self.passed.append, **more},
        )
        return Evacuation(errand)

    def evacuate(self, *, again: bool = False, wait: timedelta = timedelta(), **how: Any) -> EvacuationReport:
        return self.evacuation(**how).run(again=again, wait=wait)

    def ticket_with(self, *files: tuple[str, bytes, str], **given: Any) -> int:
        """A ticket in Freshdesk; its number there."""
        given = {"email": "pia@example.com", "subject": "It hums", **given}
        return self.account.create_ticket(given, files or FILES)["id"]

    def rows(self, number: int = 1, connector: str = "fd") -> list[SourceFileRow]:
        """What is known of a Freshdesk ticket's files, in the order of their ids."""
        return [row for row in rows_of(self.records, connector) if row.source_ticket_id == str(number)]

    def states(self, number: int = 1) -> list[str]:
        return [row.reason or row.state.value for row in self.rows(number)]

    def contents(self, number: int = 1) -> list[bytes]:
        """What we keep of a Freshdesk ticket's files, read back as an agent reads it."""
        return [
            self.read(AGENT, row.attachment_id)  # type: ignore[arg-type]
            for row in self.rows(number)
            if row.attachment_id is not None
        ]

    def there(self, number: int = 1) -> list[str]:
        """The names of files that are still on a Freshdesk ticket."""
        return [one.name for one in self.account.files.values() if one.ticket == number and not one.gone]

    def notes(self, number: int = 1) -> list[str]:
        return [one.text for one in self.account.happenings if one.kind == "note" and one.about == number]

    def due_again(self) -> None:
        """Make everything that was put off be looked at."""
        self.clock.go(days=1)


def rows_of(records: Records, connector: str) -> list[SourceFileRow]:
    """What is known of a connector's files, in the order of their ids."""

    def work(unit: Unit) -> list[SourceFileRow]:
        pages = [unit.source_files.page(connector, state, after=None, limit=10_000) for state in SourceFileState]
        return sorted((row for page in pages for row in page), key=lambda row: int(row.source_id))

    return records.read(work)


def check_happenings(site_rows: Sequence[SourceFileRow], desk: Freshdesk, kept: dict[str, tuple[int, bytes]]) -> None:
    """None unlinked, none deleted early, none twice: what took effect there, held against what is kept here.

    ``kept``: of each attachment here its size and SHA-256.
    """
    account = desk.account
    whole: dict[int, list[int]] = {}
    deleted: dict[int, list[int]] = {}
    told: dict[str, list[int]] = {}
    for one in account.happenings:
        if one.kind == "download":
            whole.setdefault(one.about, []).append(one.number)
        elif one.kind == "delete":
            deleted.setdefault(one.about, []).append(one.number)
        elif one.kind == "note":
            for row in site_rows:
                if row.attachment_id is not None and row.attachment_id in one.text:
                    told.setdefault(row.attachment_id, []).append(one.number)
    attachments = [row.attachment_id for row in site_rows if row.attachment_id is not None]
    assert len(attachments) == len(set(attachments))
    by_id = {int(row.source_id): row for row in site_rows}
    for number, file in account.files.items():
        row = by_id[number]
        if not file.gone:
            assert number not in deleted
            continue
        assert row.attachment_id is not None, f"{number} was deleted and is not kept"
        assert row.attachment_id in kept, f"{number} was deleted and its attachment is not there"
        assert kept[row.attachment_id] == (len(file.content), sha256(file.content).digest())
        assert len(deleted[number]) == 1
        assert len(told.get(row.attachment_id, ())) == 1, f"{number}: noted {told.get(row.attachment_id)}"
        assert min(whole[number]) < told[row.attachment_id][0] < deleted[number][0]


def kept_here(site: Any) -> dict[str, tuple[int, bytes]]:
    """Of each attachment its size and SHA-256, as the rows say."""
    rows = site.records.read(lambda unit: list(unit.inventory.all()))
    return {row.id: (row.size, row.sha256) for row in rows if row.sha256 is not None}


def attachments_of(site: Any, number: int, connector: str = "fd") -> int:
    """How many attachments our ticket for a Freshdesk ticket has, in whatever state."""

    def work(unit: Any) -> int:
        ticket = unit.tickets.by_source(connector, str(number))
        return 0 if ticket is None else len(unit.attachments.of_ticket(ticket.id, EVERYTHING))

    return site.records.read(work)
