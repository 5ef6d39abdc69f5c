from __future__ import annotations

from dataclasses import replace

import pytest

from domain.attachment import AttachmentState
from domain.ids import LinkId, TicketId
from storage.records import Quota, Records
from tests.contract.records.given import T0, a_ticket, an_attachment, an_upload_link, digest, number

TICKET, OTHER, LINK = TicketId(number(1)), TicketId(number(2)), LinkId(number(7))
S = AttachmentState


@pytest.fixture
def stored(records: Records) -> Records:
    """A ticket with a file being received, three that have bytes (two by a link), a tombstone; all counted right."""

    def begin(unit):
        unit.tickets.put(a_ticket(1))
        unit.tickets.put(a_ticket(2))
        unit.links.add(an_upload_link(7), digest("upload"))
        for owner in (TICKET, OTHER, LINK):
            unit.quotas.open(owner, max_files=9, max_bytes=1000)
        for n, (state, size, link) in enumerate(
            [
                (S.RECEIVING, None, None),
                (S.AVAILABLE, 100, None),
                (S.QUARANTINED, 30, LINK),
                (S.PURGING, 7, LINK),
                (S.PURGED, 500, LINK),
            ]
        ):
            row = replace(an_attachment(n + 1), link_id=link, reserved_bytes=10 if size is None else 0)
            unit.attachments.add(row)
            for owner in (TICKET, link) if link else (TICKET,):
                if state is not S.PURGED:
                    unit.quotas.claim(owner, size=size or 10)
                if state not in (S.RECEIVING, S.PURGED):
                    unit.quotas.settle(owner, reserved=size, size=size)
            if state is not S.RECEIVING:
                unit.attachments.save(replace(row, state=state, size=size, purged_at=T0, version=2))

    records.write(begin)
    return records


def miscounted(records: Records):
    return records.read(lambda unit: unit.inventory.miscounted())


def test_counters_that_equal_the_rows_are_not_named(stored):
    assert miscounted(stored) == []


def test_counters_that_differ_are_named_with_what_they_should_be(stored):
    stored.write(lambda unit: unit.quotas.give_back_used(LINK, size=1))
    stored.write(lambda unit: unit.quotas.claim(OTHER, size=5))
    assert miscounted(stored) == [
        (Quota(OTHER, 9, 1000, 0, 0, 1, 5), Quota(OTHER, 9, 1000, 0, 0, 0, 0)),
        (Quota(LINK, 9, 1000, 1, 36, 0, 0), Quota(LINK, 9, 1000, 2, 37, 0, 0)),
    ]


def test_an_owner_that_is_not_counted_at_all_is_named_too(stored):
    stored.write(lambda unit: unit.attachments.add(replace(an_attachment(6, ticket=2), link_id=LinkId(number(8)))))
    assert miscounted(stored) == [
        (Quota(OTHER, 9, 1000, 0, 0, 0, 0), Quota(OTHER, 9, 1000, 0, 0, 1, 10)),
        (None, Quota(number(8), None, None, 0, 0, 1, 10)),
    ]


def test_recounting_sets_one_owner_right_and_leaves_its_limits(stored):
    stored.write(lambda unit: unit.quotas.give_back_used(TICKET, size=1))
    stored.write(lambda unit: unit.quotas.claim(OTHER, size=5))
    stored.write(lambda unit: unit.inventory.recount(TICKET))
    assert stored.read(lambda unit: unit.quotas.get(TICKET)) == Quota(TICKET, 9, 1000, 3, 137, 1, 10)
    assert [counted.owner_id for _, counted in miscounted(stored)] == [OTHER]
    stored.write(lambda unit: unit.inventory.recount(OTHER))
    assert miscounted(stored) == []


def test_recounting_a_link_counts_what_came_by_it(stored):
    stored.write(lambda unit: unit.quotas.give_back_used(LINK, size=1))
    stored.write(lambda unit: unit.inventory.recount(LINK))
    assert stored.read(lambda unit: unit.quotas.get(LINK)) == Quota(LINK, 9, 1000, 2, 37, 0, 0)
