"""Finding a person: by a mail address, wherever the installation keeps one."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from access import People
from crypto import Secret
from domain.actor import EVERYTHING
from domain.errors import Damaged
from domain.ids import LinkId, PrincipalId, TicketId
from domain.link import Link
from domain.ticket import Ticket
from links import Listing, open_letter
from storage import Mail, Principal, Records, TicketFilter, Unit
from tickets import Facts, check_email, normalise_email

PAGE = 200


@dataclass(frozen=True, slots=True)
class Person:
    """Who is looked for. ``digest`` finds rows; the address, for whoever shows it, is in no representation."""

    address: str = field(repr=False)
    digest: bytes = field(repr=False)


class Search:
    """Looks everywhere. Spellings that differ in case alone are one. Safe from any thread.

    ``letters``: the site's secret of mails that wait.
    """

    def __init__(self, records: Records, facts: Facts, listing: Listing, people: People, letters: Secret) -> None:
        self._records = records
        self._facts = facts
        self._listing = listing
        self._people = people
        self._letters = letters

    def person(self, address: str) -> Person:
        """The person of an address. Raises BadInput (field ``email``)."""
        address = check_email(address, "email")
        return Person(address, self._facts.email_digest(address))

    def index(self) -> int:
        """Make the digests that an older release did not make with its links; how many. To be called before looking."""
        made = 0
        after: LinkId | None = None
        while page := self._page(after):
            made += self._records.write(lambda unit, links=page: self._index(unit, links))  # type: ignore[misc]
            after = page[-1].id
        return made

    def tickets(self, unit: Unit, person: Person) -> Iterator[Ticket]:
        """Tickets that the person is the requester of, oldest first."""
        what = TicketFilter(requester_email_digest=person.digest)
        after: TicketId | None = None
        while page := unit.tickets.page(what, EVERYTHING, after=after, limit=PAGE):
            yield from page
            after = page[-1].id

    def links(self, unit: Unit, person: Person) -> Iterator[Link]:
        """Download links that name the person, dead ones too."""
        after: LinkId | None = None
        while page := unit.recipients.of(person.digest, after=after, limit=PAGE):
            yield from page
            after = page[-1].id

    def mails(self, unit: Unit, person: Person) -> Iterator[tuple[Mail, str]]:
        """Mails to the person that wait, with their subjects."""
        wanted = normalise_email(person.address)
        after: str | None = None
        while page := unit.outbox.page(after=after, limit=PAGE):
            for mail in page:
                try:
                    letter = open_letter(self._letters, mail)
                except Damaged:  # whoever sends it says so
                    continue
                if normalise_email(letter.to) == wanted:
                    yield mail, letter.subject
            after = page[-1].id

    def principals(self, unit: Unit, person: Person) -> Iterator[tuple[Principal, str]]:
        """Who may or might come in, with the address in their name, and that name."""
        wanted = re.compile(rf"(?<![\w.+-]){re.escape(normalise_email(person.address))}(?![\w-]|\.\w)")
        after: PrincipalId | None = None
        while page := unit.access.principals(after=after, limit=PAGE):
            for principal in page:
                try:
                    name = self._people.name(principal)
                except Damaged:
                    continue
                if wanted.search(normalise_email(name)):
                    yield principal, name
            after = page[-1].id

    def _page(self, after: LinkId | None) -> Sequence[Link]:
        return self._records.read(lambda unit: unit.recipients.unindexed(after=after, limit=PAGE))

    def _index(self, unit: Unit, links: Sequence[Link]) -> int:
        made = 0
        for link in links:
            try:
                address = self._listing.view(unit, link).recipient
            except Damaged:
                continue
            if address is not None:
                unit.recipients.index(link.id, self._facts.email_digest(address))
                made += 1
        return made
