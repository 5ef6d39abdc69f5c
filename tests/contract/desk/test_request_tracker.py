"""A real Request Tracker 5, asked and written to through the port of a ticket system."""

from __future__ import annotations

import json
from datetime import date

import pytest

from domain.errors import DeskRefused, LoginRequired, NotFound
from domain.ticket import Standing, TicketStatus
from tests.desks.request_tracker import SECRET, RequestTrackerSite
from tests.desks.sink import Sink
from tickets.desk import Delivery, Message, SourceTicket
from tickets.request_tracker import make

# With the journey on one worker: where RT posts to is one for all.
pytestmark = pytest.mark.xdist_group("test_request_tracker")
BIG = bytes(range(256)) * 8192


@pytest.fixture(scope="module")
def site():
    site = RequestTrackerSite()
    yield site
    site.call_us_at(None)


@pytest.fixture(scope="module")
def desk(site):
    return site.desk(prefix="RT-", organisation="cf:Customer", contract_field="Contract end")


def everything(desk, cursor):
    """What changed since, and where it ended."""
    found: dict[str, SourceTicket] = {}
    while True:
        page = desk.changed(cursor)
        found |= {one.id: one for one in page.tickets}
        cursor = page.cursor
        if page.last:
            return found, cursor


def test_a_ticket_and_its_files_are_read_noted_and_followed(site, desk):
    _, cursor = everything(desk, None)
    ticket_id = site.new_ticket(
        ("big.bin", "application/octet-stream", BIG),
        ("en.txt", "text/plain", "åäö €\n".encode()),
        CustomFields={"Customer": "Acme", "Contract end": "2027-03-31"},
    )
    site.comment(ticket_id, "one more", ("three.bin", "application/x-three", b"\x00\xff\n\r"))

    source = desk.ticket(ticket_id)
    assert (source.fact.ref, source.fact.status) == (f"RT-{ticket_id}", TicketStatus.OPEN)
    assert (source.fact.subject, source.fact.requester_email) == ("Skrivaren brinner", "kund@example.test")
    assert (source.organisation.ref, source.organisation.contract_ends_on) == ("Acme", date(2027, 3, 31))

    files = desk.files(ticket_id)
    assert [(one.name, one.media_type) for one in files] == [
        ("big.bin", "application/octet-stream"),
        ("en.txt", "text/plain"),
        ("three.bin", "application/x-three"),
    ]
    read = []
    for one in files:
        with desk.read(one) as pieces:
            read.append(b"".join(pieces))
    assert read == [BIG, "åäö €\n".encode(), b"\x00\xff\n\r"]
    assert [one.size for one in files] == [len(one) for one in read]

    note = Message("k3v9", '<p>Stored: <a href="https://bilaga.example/t">3 files</a></p>', "Stored: 3 files")
    written = desk.write(ticket_id, note)
    assert written.isdecimal()
    assert desk.write(ticket_id, note) == written
    assert [one["Content"] for one in site.parts(ticket_id) if one["ContentType"] == "text/html"].count(note.html) == 1

    # Our own note is no activity: a ticket that slept for years must not be kept longer for our having looked.
    noted = desk.ticket(ticket_id)
    # RT writes a ticket's own time a moment after its transaction's, which may be another second.
    assert noted.fact.last_activity_at <= source.fact.last_activity_at
    assert noted.version > source.version

    found, _ = everything(desk, cursor)
    assert found[ticket_id].fact == noted.fact


def test_what_cannot_be_deleted_is_named_and_what_an_administrator_shredded_is_gone(site, desk):
    ticket_id = site.new_ticket(
        ("a.bin", "application/octet-stream", b"a"), ("b.bin", "application/octet-stream", b"b")
    )
    first, second = desk.files(ticket_id)
    assert (desk.delete(first).gone, "rt-shredder" in desk.delete(first).reason) == (False, True)
    site.shred(first.id)
    assert desk.delete(first).gone
    assert [one.id for one in desk.files(ticket_id)] == [second.id]
    with pytest.raises(FileNotFoundError), desk.read(first) as pieces:
        b"".join(pieces)


def test_closed_reopened_merged_and_deleted_arrive(site, desk):
    _, cursor = everything(desk, None)
    first, second, third = site.new_ticket(), site.new_ticket(), site.new_ticket()
    site.put(first, Status="resolved")
    closed = desk.ticket(first)
    assert closed.fact.status is TicketStatus.CLOSED
    assert closed.fact.closed_at >= closed.fact.opened_at
    site.put(first, Status="open")
    assert desk.ticket(first).fact.status is TicketStatus.OPEN
    assert desk.ticket(first).version > closed.version
    site.put(second, MergeInto=int(first))
    site.put(third, Status="deleted")
    found, _ = everything(desk, cursor)
    assert found[first].standing is Standing.PRESENT
    assert (found[second].standing, found[second].merged_into) == (Standing.MERGED, first)
    assert found[third].standing is Standing.TRASHED
    assert desk.ticket(second).merged_into == first


def test_what_is_not_there_is_not_there(site, desk):
    assert desk.ticket("987654") is None
    assert desk.files("987654") == []
    for unknown in ("987654", "../1"):
        with pytest.raises(NotFound):
            desk.write(unknown, Message("x", "x", "x"))
    assert site.desk(password="wrong").check()[0].ok is False
    with pytest.raises(DeskRefused):
        site.desk(password="wrong").changed(None)
    assert all(line.ok for line in desk.check() if line.name != "custom fields")


def test_its_scrip_tells_which_ticket_to_look_at(site):
    hook = make(site.section(webhook_secret=SECRET)).hook
    with Sink() as sink:
        site.call_us_at(sink.url)
        ticket_id = site.new_ticket()
        headers, body = sink.heard()
        while json.loads(body) != {"ticket": int(ticket_id)}:  # other tickets may have something happening to them
            headers, body = sink.heard()
        site.call_us_at(None)
    delivery = Delivery(headers, body, received_at=None)
    assert hook.hint(delivery).ticket_ids == (ticket_id,)
    for wrong in ({**headers, "x-bilaga-secret": SECRET + "x"}, {"content-type": "application/json"}):
        with pytest.raises(LoginRequired):
            hook.hint(Delivery(wrong, body, received_at=None))
