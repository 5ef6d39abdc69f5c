"""A ticket system in memory that does what a test says: the truth, and everything that can go wrong in telling it."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta

from domain.errors import BadInput, DeskRefused, DeskUnavailable, LoginRequired, NotFound
from domain.ticket import TicketStatus
from tickets import Delivery, Hint, OrganisationFact, TicketFact
from tickets.desk import Check, Deletion, Message, OrganisationPage, Page, SourceFile, SourceTicket, Standing

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass
class Ticket:
    """A ticket there. ``changed``: the place in the order of all changes, which is what the cursor counts."""

    id: str
    version: int
    changed: int
    status: TicketStatus
    subject: str
    requester: str
    organisation: str | None
    opened_at: datetime
    active_at: datetime
    tags: tuple[str, ...] = ()
    standing: Standing = Standing.PRESENT
    merged_into: str | None = None
    files: dict[str, bytes] = field(default_factory=dict)
    notes: list[Message] = field(default_factory=list)


@dataclass
class FakeDesk:
    """Its clock is ``now``; every change ticks a second. ``down``: so many calls more fail, with ``wait``. ``refuses``:
    every call does. ``stale``: what pages tell is the truth of so many changes ago."""

    prefix: str = ""
    page: int = 2
    now: datetime = datetime(2026, 11, 24, 11, 0, tzinfo=UTC)
    down: int = 0
    wait: float | None = None
    refuses: bool = False
    calls: list[str] = field(default_factory=list)
    tickets: dict[str, Ticket] = field(default_factory=dict)
    companies: dict[str, OrganisationFact] = field(default_factory=dict)
    after_write: bool = False
    """The connection breaks after a note was written, before that is told."""

    # -- what people do there ------------------------------------------------------------------------------------------
    def open(self, ticket_id: str, organisation: str | None = None, **values: object) -> Ticket:
        """A new ticket."""
        self._tick()
        made = Ticket(
            ticket_id,
            self._version(),
            len(self.tickets),
            TicketStatus.OPEN,
            f"About {ticket_id}",
            f"{ticket_id}@customer.example",
            organisation,
            self.now,
            self.now,
        )
        self.tickets[ticket_id] = replace(made, **values)  # type: ignore[arg-type]
        self._moved(self.tickets[ticket_id])
        return self.tickets[ticket_id]

    def change(self, ticket_id: str, **values: object) -> None:
        """Something about a ticket changes, which is activity."""
        self._tick()
        ticket = self.tickets[ticket_id]
        for name, value in values.items():
            setattr(ticket, name, value)
        ticket.active_at = self.now
        self._moved(ticket)

    def stand(self, ticket_id: str, standing: Standing, merged_into: str | None = None) -> None:
        """Trash it, mark it as spam, merge it, bring it back."""
        self._tick()
        ticket = self.tickets[ticket_id]
        ticket.standing, ticket.merged_into = standing, merged_into
        self._moved(ticket)

    def forget(self, ticket_id: str) -> None:
        """Delete it for good; nothing tells of that."""
        del self.tickets[ticket_id]

    def employ(self, ref: str, **values: object) -> None:
        """A company, or something new about it."""
        self.companies[ref] = OrganisationFact(ref, **values)  # type: ignore[arg-type]

    # -- tickets.desk.Desk ---------------------------------------------------------------------------------------------
    def check(self) -> Sequence[Check]:
        return [Check("credentials", not self.refuses, "rights are missing" if self.refuses else "ok")]

    def changed(self, cursor: str | None) -> Page:
        self._called("changed")
        if cursor is not None and not cursor.isdecimal():
            raise BadInput("no cursor", field="cursor")
        since = int(cursor or 0)
        found = sorted((one for one in self.tickets.values() if one.changed > since), key=lambda one: one.changed)
        shown = found[: self.page]
        last = len(found) <= self.page
        return Page([self.told(one) for one in shown], str(shown[-1].changed if shown else since), last)

    def ticket(self, ticket_id: str) -> SourceTicket | None:
        self._called("ticket")
        found = self.tickets.get(ticket_id)
        return None if found is None else self.told(found)

    def organisations(self, cursor: str | None) -> OrganisationPage:
        self._called("organisations")
        start = int(cursor or 0)
        shown = list(self.companies.values())[start : start + self.page]
        last = start + self.page >= len(self.companies)
        return OrganisationPage(shown, "0" if last else str(start + self.page), last)

    def files(self, ticket_id: str) -> Sequence[SourceFile]:
        self._called("files")
        ticket = self.tickets.get(ticket_id)
        if ticket is None:
            return []
        return [SourceFile(name, ticket_id, name, None, len(data), name) for name, data in ticket.files.items()]

    @contextmanager
    def read(self, file: SourceFile) -> Iterator[Iterator[bytes]]:
        self._called("read")
        ticket = self.tickets.get(file.ticket_id)
        if ticket is None or file.id not in ticket.files:
            raise FileNotFoundError
        yield iter([ticket.files[file.id]])

    def write(self, ticket_id: str, message: Message) -> str:
        self._called("write")
        ticket = self.tickets.get(ticket_id)
        if ticket is None:
            raise NotFound
        for number, there in enumerate(ticket.notes):
            if there.marker == message.marker:
                return str(number)
        ticket.notes.append(message)
        self._tick()
        self._moved(ticket)
        if self.after_write:
            self.after_write = False
            raise DeskUnavailable
        return str(len(ticket.notes) - 1)

    def delete(self, file: SourceFile) -> Deletion:
        self._called("delete")
        ticket = self.tickets.get(file.ticket_id)
        if ticket is not None:
            ticket.files.pop(file.id, None)
        return Deletion(gone=True)

    def told(self, one: Ticket) -> SourceTicket:
        """What the API says of a ticket."""
        fact = TicketFact(
            self.prefix + one.id,
            status=one.status,
            subject=one.subject,
            requester_email=one.requester,
            organisation=one.organisation,
            opened_at=one.opened_at,
            last_activity_at=one.active_at,
            tags=one.tags,
        )
        company = self.companies.get(one.organisation or "")
        return SourceTicket(one.id, one.version, fact, company, one.standing, one.merged_into)

    def _called(self, name: str) -> None:
        self.calls.append(name)
        if self.refuses:
            raise DeskRefused("The ticket system refused our credentials or rights.")
        if self.down:
            self.down -= 1
            raise DeskUnavailable(wait=self.wait)

    def _tick(self) -> None:
        self.now += timedelta(seconds=1)

    def _version(self) -> int:
        return (self.now - EPOCH) // timedelta(microseconds=1)

    def _moved(self, ticket: Ticket) -> None:
        ticket.version = self._version()
        ticket.changed = max((one.changed for one in self.tickets.values()), default=0) + 1


@dataclass
class FakeHook:
    """Reads ``{"ids": […], "key": …}`` where the header ``x-secret`` has the secret."""

    secret: str = "sesame"

    def hint(self, delivery: Delivery) -> Hint:
        if delivery.headers.get("x-secret") != self.secret:
            raise LoginRequired
        try:
            said = json.loads(delivery.body)
            return Hint([str(one) for one in said["ids"]], said.get("key"))
        except (ValueError, KeyError, TypeError) as error:
            raise BadInput("The body says nothing.") from error
