"""A site that receives and sends, with people, a purge, and everything that looks for a person."""

from __future__ import annotations

import io
import json
import zipfile
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from access import People
from domain.actor import SYSTEM, Actor
from domain.attachment import Attachment, Source
from domain.errors import FactsStale
from domain.ids import TicketId
from domain.ticket import Ticket
from links import Issuing, Letter
from links.letter import seal_letter
from retention import Brakes, CertificateDesk, HoldsDesk, Outlook, Policy, Purge
from storage import Mail, Unit
from subjects import Dossier, Erasing, ErasureReport, Exporting, Gathering, Place, Search
from tests.small_site import Steps, StubbornStore
from tests.transfers import TransferSite
from tickets import Facts, OrganisationFact, TicketFact, View
from transfer import Endings, Incoming

ANNA = "Anna.Berg@Kund.example"
PLACES = [Place("database", "SQLite", None), Place("mail", "SMTP", "post.example")]


def told(dossier: Dossier) -> str:
    """Instead of a page."""
    return f"<p>{len(dossier.tickets)} tickets"


class PersonSite(TransferSite):
    def __init__(self, folder: Path) -> None:
        self.steps = Steps()
        self.stale: set[str] = set()
        super().__init__(folder)
        self.blobs: Any = StubbornStore(self.blobs)
        self.letters = self.ring.secret("outbox")
        policy = Policy.from_mapping({})
        self.facts = Facts(self.keys, self.log, policy.of, self.clock, self.ring.secret("search"))
        self.older_issuing, self.issuing = (
            self.issuing,
            Issuing(self.keys, self.log, self.clock, find_by=self.facts.email_digest),
        )
        self.outlook, self.view = Outlook(policy.of, self.fresh), View(self.keys)
        self.holds = HoldsDesk(self.keys, self.log, self.clock)
        self.people = People(
            self.log, self.clock, self.ring.secret("people"), idle=timedelta(hours=1), longest=timedelta(hours=2)
        )
        self.purge = Purge(
            self.records,
            self.blobs,
            self.keys,
            self.log,
            policy.of,
            clock=self.clock,
            brakes=Brakes(),
            certificates=CertificateDesk(self.signer, self.ring.installation, timedelta(days=30)),
            steps=self.steps,
        )
        self.search = Search(self.records, self.facts, self.listing, self.people, self.letters)
        gathering = Gathering(self.search, self.view, self.listing, self.outlook, self.keys, self.clock)
        self.exporting = Exporting(
            self.records, self.search, gathering, self.sending, self.log, self.clock, places=PLACES
        )
        self.erasing = Erasing(
            self.records,
            self.search,
            self.outlook,
            self.purge,
            Endings(self.log, self.blobs),
            self.people,
            self.log,
            self.clock,
            steps=self.steps,
        )

    def fresh(self, unit: Unit, ticket: Ticket) -> None:
        if ticket.ref in self.stale:
            raise FactsStale

    def of(self, ref: str, email: str = ANNA, **fact: Any) -> TicketId:
        """A ticket of somebody's."""
        fact.setdefault("requester_name", "Anna Berg")
        said = TicketFact(ref, requester_email=email, **fact)
        return self.records.write(lambda unit: self.facts.put_ticket(unit, SYSTEM, said)).ticket.id

    def customer(self, ref: str, **fact: Any) -> None:
        self.records.write(lambda unit: self.facts.put_organisation(unit, SYSTEM, OrganisationFact(ref, **fact)))

    def file(self, ticket_id: TicketId, content: bytes = b"hej", name: str = "brev.txt") -> Attachment:
        return self.receive(content, name, self.by_agent(ticket_id)).files[0].attachment

    def sent(self, ref: str, content: bytes = b"hej", name: str = "brev.txt") -> Attachment:
        """A file by an upload link, with its receipt."""
        given = self.redeem_upload(self.upload_link(ref).token)
        incoming = Incoming(given.actor, given.ticket.id, Source.REQUESTER, given.link)
        return self.receive(content, name, incoming).files[0].attachment

    def hold(self, ref: str) -> None:
        self.records.write(lambda unit: self.holds.place_on_ticket(unit, SYSTEM, ref, "tvist", None))

    def mail(self, to: str, subject: str = "Din kod") -> None:
        now = self.clock()
        sealed = seal_letter(self.letters, Letter(to, subject, "123456"), f"m-{to}")
        self.records.write(lambda unit: unit.outbox.add(Mail(f"m-{to}", sealed, 0, now, now + timedelta(minutes=15))))

    def exported(self, address: str = ANNA, actor: Actor = SYSTEM) -> tuple[dict[str, bytes], dict[str, Any]]:
        """The files of an export by their names, and its index."""
        export = self.exporting.open(actor, address, told)
        pieces = list(export.chunks())
        export.close()
        assert max(map(len, pieces)) <= 1 << 20
        with zipfile.ZipFile(io.BytesIO(b"".join(pieces))) as opened:
            assert opened.testzip() is None
            found = {name: opened.read(name) for name in opened.namelist()}
        assert found.pop("index.html").decode() == told(export.dossier)
        return found, json.loads(found.pop("index.json"))

    def erase(self, address: str = ANNA, actor: Actor = SYSTEM, **how: Any) -> ErasureReport:
        return self.erasing.run(actor, address, **how)


@pytest.fixture
def site(tmp_path):
    site = PersonSite(tmp_path)
    yield site
    site.close()
