"""Once a ticket is erased no row of any table names its people, and nothing that is left can be opened."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import date, timedelta

from crypto import new_id
from domain.actor import SYSTEM, Actor, Role
from domain.event import EventKind
from domain.ids import GrantId, LinkId, PrincipalId, ReceiptId
from domain.link import Grant, Link, LinkKind, Receipt, Terms
from domain.mail import MailPart, MailState
from keys import TICKET
from storage import Mail
from storage.records.schema.metadata import METADATA
from tests.small_site import START
from tests.unit.retention.personal import COLUMNS, Says
from tests.unit.retention.purged import LONG_AGO, due

ADMIN = Actor(Role.ADMIN, PrincipalId("p"))
MARK = "Zebedeus"
FILLED = {
    "attachments", "codes", "grants", "holds", "links", "mail_deliveries", "outbox", "passcode_failures", "receipts",
    "tickets", "wrapped_keys",
}  # fmt: skip
"""Tables of a ticket that the test fills; a table that has a personal column belongs here."""


def test_every_column_is_declared_personal_or_not():
    """A new column fails here until somebody has said what it may hold, and seen to it that it goes."""
    there = {table.name: set(table.c.keys()) for table in METADATA.sorted_tables}
    assert {name: set(columns) for name, columns in COLUMNS.items()} == there


def test_every_table_with_a_personal_column_is_filled_below():
    personal = {name for name, columns in COLUMNS.items() if Says.PERSON in columns.values()}
    assert personal - FILLED == set()


def fill(site):
    """A ticket with everything that there can be of one; what was sealed there, by table."""
    ticket = site.put(
        "T-1", last_activity_at=LONG_AGO, subject=MARK, requester_email=f"{MARK}@x.se", requester_name=MARK,
        organisation="acme", tags=[MARK],
    )  # fmt: skip
    site.put_organisation("acme", contract_ends_on=date(2020, 1, 1))
    attachment = site.send(ticket)

    def work(unit):
        seal = lambda label: site.keys.seal_text(unit, ticket.id, TICKET, label, MARK)  # noqa: E731
        terms = Terms(START + timedelta(days=9), max_downloads=3)
        link = Link(
            LinkId(new_id()), LinkKind.DOWNLOAD, ticket.id, attachment.id, terms, "$argon2id$" + MARK,
            seal("recipient"), seal("note"), "sv", START, None, None, 0, recipient_digest=b"d" * 32,
        )  # fmt: skip
        unit.links.add(link, bytes(32))
        unit.receipts.add(Receipt(ReceiptId(new_id()), ticket.id, None, START), b"r" * 32)
        grant = Grant(GrantId(new_id()), link.id, attachment.id, START, START + timedelta(hours=1), 9, 0)
        unit.grants.add(grant, b"g" * 32)
        unit.codes.put(link.id, digest=b"c" * 32, expires_at=START, tries=3, sent_at=START)
        unit.passcode_failures.add(link.id, b"a" * 32, at=START)
        unit.outbox.add(Mail(new_id(), MARK.encode() * 9, 0, START, START + timedelta(days=1), ticket.id))
        unit.mail_deliveries.add([MailPart(b"m" * 32, ticket.id, 0, None, MailState.KEPT, START, None)])
        site.holds.place_on_ticket(unit, ADMIN, "T-1", MARK, None)
        site.holds.release_from_ticket(unit, ADMIN, "T-1", MARK)

    site.records.write(work)
    return ticket, attachment


def rows(site) -> Iterator[tuple[str, dict[str, object]]]:
    """Every row of every table, as it lies."""

    def work(unit):
        found = []
        for table in unit.tables.all():
            after = None
            while page := unit.tables.page(table, after=after, limit=500):
                found += [(table.name, dict(zip(table.columns, row, strict=True))) for row in page]
                after = table.key_of(page[-1])
        return found

    yield from site.records.read(work)


def personal(site, *kinds: Says) -> set[str | bytes]:
    """The values of columns of these kinds that are long enough to be told from anything else."""
    return {
        value
        for table, row in rows(site)
        for column, value in row.items()
        if COLUMNS[table][column] in kinds and isinstance(value, (str, bytes)) and len(value) > 2
    } - {"[]"}


def test_no_row_opens_or_names_an_erased_ticket(site):
    ticket, attachment = fill(site)
    assert {table for table, _ in rows(site)} >= FILLED
    before = personal(site, Says.PERSON)
    assert len(before) > 15
    report = site.purge.run(SYSTEM)
    assert (report.purged, report.tickets_erased) == (1, 1)
    owners = {ticket.id, attachment.id}
    left = list(rows(site))
    # its keys are gone, with them what is only sealed
    assert not [row for table, row in left if table == "wrapped_keys" and row["owner_id"] in owners]
    for table, row in left:
        mine = owners & {value for value in row.values() if isinstance(value, str)}
        for column, value in row.items():
            if mine and COLUMNS[table][column] is Says.PERSON:
                assert value in {None, "[]"}, (table, column)
            if isinstance(value, (str, bytes)):
                text = value if isinstance(value, str) else value.decode("latin-1")
                assert MARK.casefold() not in text.casefold(), (table, column)
    for value in before:  # also not in a column that says nothing, or in one of another table
        assert not [table for table, row in left if value in row.values()], value
    (event,) = site.events(EventKind.TICKET_ERASED, ticket.id)
    facts = event["facts"]
    assert (facts["links"], facts["mails"], facts["keys"]) == (1, 1, 1)
    assert MARK not in json.dumps(site.events())


def test_a_ticket_without_files_is_erased_too(site):
    site.put("T-1", last_activity_at=LONG_AGO, subject=MARK, requester_email="a@x.se")
    site.put("T-2", last_activity_at=START, subject=MARK)
    report = site.purge.run(SYSTEM)
    assert (report.purged, report.tickets_erased) == (0, 1)
    assert site.ticket("T-1").subject_sealed is None
    assert site.ticket("T-2").subject_sealed is not None


def test_others_tickets_keep_what_is_theirs(site):
    fill(site)
    due(site, "T-2")
    site.put("T-3", last_activity_at=START, subject=MARK, requester_email="b@x.se", tags=["vip"])
    attachment = site.send(site.ticket("T-3"))
    link = Link(
        LinkId(new_id()), LinkKind.UPLOAD, site.ticket("T-3").id, None, Terms(START + timedelta(days=9)), None, b"r",
        b"n", "sv", START, None, None, 0,
    )  # fmt: skip

    def work(unit):
        unit.links.add(link, b"l" * 32)
        unit.passcode_failures.add(link.id, b"o" * 32, at=START)
        unit.outbox.add(Mail("m", b"sealed", 0, START, START + timedelta(days=1), site.ticket("T-3").id))
        unit.outbox.add(Mail("n", b"sealed", 0, START, START + timedelta(days=1)))

    site.records.write(work)
    kept = site.ticket("T-3")
    site.purge.run(SYSTEM)
    assert site.ticket("T-3") == kept
    assert site.state(attachment) == attachment
    names = [(table, row) for table, row in rows(site) if table in {"outbox", "passcode_failures"}]
    assert sorted(str(row["id"]) for table, row in names if table == "outbox") == ["m", "n"]
    assert [row["address_digest"] for table, row in names if table == "passcode_failures"] == [b"o" * 32]
