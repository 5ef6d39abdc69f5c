from __future__ import annotations

import pytest

from domain.ids import GrantId, LinkId, TicketId
from domain.link import Receipt
from storage.records import Records
from tests.contract.records.given import (
    HOUR,
    T0,
    TICK,
    a_download_link,
    a_grant,
    a_receipt_id,
    a_ticket,
    an_attachment,
    at_once,
    digest,
    number,
)

GRANT = GrantId(number(1))


@pytest.fixture
def stored(records: Records) -> Records:
    """A grant of 100 bytes for an hour."""

    def begin(unit):
        unit.tickets.put(a_ticket(1))
        unit.attachments.add(an_attachment(1))
        unit.links.add(a_download_link(2), digest("download"))
        unit.grants.add(a_grant(1, budget=100), digest("grant"))

    records.write(begin)
    return records


def spent(records: Records) -> int:
    grant = records.read(lambda unit: unit.grants.by_digest(digest("grant")))
    assert grant is not None
    return grant.spent


def spend(records: Records, size: int, now=T0) -> bool:
    return records.write(lambda unit: unit.grants.spend(GRANT, size=size, now=now))


def test_a_grant_comes_back_as_it_was_added(stored):
    assert stored.read(lambda unit: unit.grants.by_digest(digest("grant"))) == a_grant(1, budget=100)
    assert stored.read(lambda unit: unit.grants.by_digest(digest("other"))) is None


def test_a_budget_can_be_spent_to_its_end_and_no_further(stored):
    assert spend(stored, 60) is True
    assert spend(stored, 41) is False
    assert spend(stored, 40) is True
    assert spend(stored, 1) is False
    assert spend(stored, 0) is True
    assert spent(stored) == 100


def test_nothing_is_spent_after_the_end(stored):
    assert spend(stored, 1, now=T0 + HOUR - TICK) is True
    assert spend(stored, 1, now=T0 + HOUR) is False
    assert spent(stored) == 1


def test_a_size_below_nothing_is_a_bug(stored):
    with pytest.raises(ValueError):
        spend(stored, -1)
    with pytest.raises(ValueError):
        stored.write(lambda unit: unit.grants.refund(GRANT, size=-1))


def test_a_refund_gives_back_and_never_more_than_was_spent(stored):
    spend(stored, 60)
    stored.write(lambda unit: unit.grants.refund(GRANT, size=20))
    assert spent(stored) == 40
    stored.write(lambda unit: unit.grants.refund(GRANT, size=41))
    assert spent(stored) == 0


def test_spenders_at_once_never_pass_the_budget(stored):
    taken = at_once(16, lambda _: spend(stored, 30))
    assert taken.count(True) == 3
    assert spent(stored) == 90


def test_a_clock_set_back_does_not_bring_an_ended_grant_back(stored):
    stored.write(lambda unit: unit.links.revoke(LinkId(number(2)), at=T0 + TICK))
    assert spend(stored, 1, now=T0 - HOUR) is False


def test_sweeping_takes_what_ended_before_and_leaves_the_rest(stored):
    def more(unit):
        unit.grants.add(a_grant(2), digest("second"))
        unit.links.add(a_download_link(3), digest("third"))
        unit.grants.add(a_grant(3, link=3), digest("revoked"))
        unit.links.revoke(LinkId(number(3)), at=T0 + TICK)

    stored.write(more)
    assert stored.write(lambda unit: unit.grants.sweep(before=T0 + TICK)) == 0
    assert stored.write(lambda unit: unit.grants.sweep(before=T0 + 2 * TICK)) == 1
    assert stored.read(lambda unit: unit.grants.by_digest(digest("revoked"))) is None
    assert stored.write(lambda unit: unit.grants.sweep(before=T0 + HOUR)) == 0
    assert stored.write(lambda unit: unit.grants.sweep(before=T0 + HOUR + TICK)) == 2


def test_a_receipt_is_found_by_its_token_alone(stored):
    receipt = Receipt(id=a_receipt_id(1), ticket_id=TicketId(number(1)), link_id=LinkId(number(2)), created_at=T0)
    stored.write(lambda unit: unit.receipts.add(receipt, digest("receipt")))
    assert stored.read(lambda unit: unit.receipts.by_digest(digest("receipt"))) == receipt
    assert stored.read(lambda unit: unit.receipts.by_digest(digest("other"))) is None
