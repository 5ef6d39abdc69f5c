"""The demonstration: a sample ticket, a file sent through its upload link as anybody would, and two links to try."""

from __future__ import annotations

import json
import urllib.request
from collections.abc import Callable

from domain.actor import SYSTEM, Role
from domain.link import LinkKind
from domain.ticket import TicketStatus
from installation import Site
from tickets import OrganisationFact, TicketFact

TICKET = "DEMO-1"
FILE = "Skärmbild av felet.txt"
TEXT = """This file came in through the upload link, sealed before it touched the disk.
Its ticket belongs to a customer whose contract runs: it is kept, and for one year after the contract ends.
"""


def show(site: Site, local: str, say: Callable[[str], None]) -> None:
    """Make the sample, send the file over HTTP, print the links. Safe to run again on the same site."""
    organisation = OrganisationFact("demo-customer", name="Demo AB")
    ticket = TicketFact(
        TICKET,
        status=TicketStatus.OPEN,
        subject="The report cannot be opened",
        requester_email="requester@example.com",
        requester_name="Åsa Öberg",
        organisation="demo-customer",
    )
    site.records.write(lambda unit: site.facts.put_organisation(unit, SYSTEM, organisation))
    site.records.write(lambda unit: site.facts.put_ticket(unit, SYSTEM, ticket))
    upload = site.records.write(lambda unit: site.issuing.upload(unit, SYSTEM, TICKET, note="Please send the report."))
    agent = site.records.write(lambda unit: site.people.make_sign_in(unit, SYSTEM, Role.AGENT, "Demo agent"))
    sent = _send(f"{local}/u/{upload.token}/put/{urllib.request.quote(FILE)}")  # type: ignore[attr-defined]
    say(f"sent {sent['name']!r} through the upload link: {sent['state']}, receipt {sent['receipt_url']}")
    say(f"upload link for ticket {TICKET}: {site.link_url(LinkKind.UPLOAD, upload.token)}")
    say(f"sign in as an agent: {site.public_url}/signin/{agent.token}")


def _send(address: str) -> dict[str, str]:
    request = urllib.request.Request(address, data=TEXT.encode(), method="PUT")  # noqa: S310 (our own address)
    with urllib.request.urlopen(request, timeout=30) as answer:  # noqa: S310
        found: dict[str, str] = json.load(answer)
        return found
