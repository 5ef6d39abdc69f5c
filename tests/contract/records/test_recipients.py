"""Links by whom they name, and the few other rows that a person is looked for in."""

from __future__ import annotations

from dataclasses import replace

import pytest

from domain.actor import EVERYTHING, Role
from domain.ids import LinkId, PrincipalId, ReceiptId, TicketId
from domain.link import Receipt
from storage.records import Mail, Principal, Records
from tests.contract.records.given import (
    HOUR,
    T0,
    TICK,
    a_download_link,
    a_grant,
    a_ticket,
    an_attachment,
    an_upload_link,
    digest,
    number,
)

ANNA, OTHER = b"a" * 32, b"o" * 32
TICKET = TicketId(number(1))


@pytest.fixture
def stored(records: Records) -> Records:
    """A ticket whose links name Anna (2, 4), somebody else (3), and whom nobody has looked up yet (5)."""

    def begin(unit):
        unit.tickets.put(a_ticket(1))
        unit.tickets.put(a_ticket(2))
        unit.attachments.add(an_attachment(1))
        unit.links.add(an_upload_link(1), digest("1"))
        for n, found_by in ((2, ANNA), (3, OTHER), (4, ANNA), (5, None)):
            unit.links.add(replace(a_download_link(n), recipient_digest=found_by), digest(str(n)))

    records.write(begin)
    return records


def ids(found) -> list[str]:
    return [one.id for one in found]


def test_a_link_is_found_by_whom_it_names(stored):
    def found(unit, after=None, limit=9):
        return ids(unit.recipients.of(ANNA, after=after, limit=limit))

    assert stored.read(found) == [number(2), number(4)]
    assert stored.read(lambda unit: found(unit, limit=1)) == [number(2)]
    assert stored.read(lambda unit: found(unit, after=LinkId(number(2)))) == [number(4)]
    assert stored.read(lambda unit: unit.recipients.of(ANNA, after=None, limit=1))[0].recipient_digest == ANNA


def test_what_no_digest_was_made_for_yet_is_told_until_one_was(stored):
    def unindexed(unit):
        return ids(unit.recipients.unindexed(after=None, limit=9))

    assert stored.read(unindexed) == [number(5)]
    assert stored.read(lambda unit: unit.recipients.unindexed(after=LinkId(number(5)), limit=9)) == []
    stored.write(lambda unit: unit.recipients.index(LinkId(number(5)), ANNA))
    assert stored.read(unindexed) == []
    assert stored.read(lambda unit: ids(unit.recipients.of(ANNA, after=None, limit=9)))[-1] == number(5)


def test_a_link_that_names_nobody_is_given_no_digest(stored):
    stored.write(lambda unit: unit.recipients.index(LinkId(number(1)), ANNA))
    assert stored.read(lambda unit: unit.links.get(LinkId(number(1)), EVERYTHING)).recipient_digest is None


def test_erasing_whom_a_link_names_ends_it_with_grants_and_code_and_no_other(stored):
    link = LinkId(number(2))

    def more(unit):
        unit.grants.add(a_grant(1, link=2), digest("grant"))
        unit.codes.put(link, digest=digest("123456"), expires_at=T0 + HOUR, tries=5, sent_at=T0)

    stored.write(more)
    assert stored.write(lambda unit: unit.recipients.erase(link, at=T0 + TICK)) is True
    assert stored.write(lambda unit: unit.recipients.erase(link, at=T0 + HOUR)) is False
    found = stored.read(lambda unit: unit.links.get(link, EVERYTHING))
    assert (found.recipient_sealed, found.recipient_digest, found.revoked_at) == (None, None, T0 + TICK)
    assert stored.write(lambda unit: unit.grants.spend(a_grant(1).id, size=1, now=T0)) is False
    assert stored.read(lambda unit: unit.codes.sent_at(link)) is None
    assert stored.read(lambda unit: ids(unit.recipients.of(ANNA, after=None, limit=9))) == [number(4)]
    assert stored.read(lambda unit: unit.links.get(LinkId(number(3)), EVERYTHING)).revoked_at is None


def test_erasing_a_ticket_leaves_none_of_its_links_to_be_found(stored):
    stored.write(lambda unit: unit.links.erase_of_ticket(TICKET, at=T0))
    assert stored.read(lambda unit: unit.recipients.of(ANNA, after=None, limit=9)) == []
    assert stored.read(lambda unit: unit.recipients.unindexed(after=None, limit=9)) == []


def test_receipts_of_a_ticket_are_told_and_removed(stored):
    def more(unit):
        for n, ticket in ((1, 1), (2, 1), (3, 2)):
            receipt = Receipt(ReceiptId(number(n)), TicketId(number(ticket)), None, T0)
            unit.receipts.add(receipt, digest(f"receipt-{n}"))

    stored.write(more)
    assert stored.read(lambda unit: ids(unit.receipts.of_ticket(TICKET))) == [number(1), number(2)]
    assert stored.write(lambda unit: unit.receipts.remove_of_ticket(TICKET)) == 2
    assert stored.read(lambda unit: unit.receipts.by_digest(digest("receipt-1"))) is None
    assert stored.read(lambda unit: unit.receipts.by_digest(digest("receipt-3"))) is not None


def test_all_mails_are_told_in_pages_also_those_whose_time_has_not_come(records):
    mails = [Mail(number(n), b"sealed", 0, T0 + n * HOUR, T0 + 9 * HOUR) for n in (1, 2, 3)]
    records.write(lambda unit: [unit.outbox.add(mail) for mail in mails])
    assert records.read(lambda unit: unit.outbox.page(after=None, limit=2)) == mails[:2]
    assert records.read(lambda unit: unit.outbox.page(after=mails[1].id, limit=2)) == mails[2:]


def test_a_principal_gets_another_name(records):
    principal = Principal(PrincipalId(number(1)), Role.AGENT, None, b"agent", T0, T0)
    records.write(lambda unit: unit.access.add_principal(principal))
    records.write(lambda unit: unit.names.put(principal.id, b"nobody"))
    found = records.read(lambda unit: unit.access.principals(after=None, limit=9))
    assert found == [replace(principal, name_sealed=b"nobody")]
