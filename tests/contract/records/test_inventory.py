from __future__ import annotations

from dataclasses import replace

import pytest

from domain.attachment import LIVE, AttachmentState
from domain.ids import AttachmentId, BlobId
from storage.records import Records
from tests.contract.records.given import T0, TICK, a_ticket, an_attachment, number

STATES = list(AttachmentState)
S = AttachmentState


@pytest.fixture
def stored(records: Records) -> Records:
    """Twenty-one attachments, their states in turn, each a microsecond younger than the one before it."""

    def begin(unit):
        unit.tickets.put(a_ticket(1))
        for n in range(1, 22):
            unit.attachments.add(
                replace(an_attachment(n), state=STATES[n % len(STATES)], created_at=T0 + n * TICK, version=1)
            )

    records.write(begin)
    return records


def expected(*states: AttachmentState) -> list[int]:
    return [n for n in range(1, 22) if STATES[n % len(STATES)] in states]


def in_states(records: Records, states, **narrowed) -> list[int]:
    narrowed.setdefault("limit", 100)
    found = records.read(lambda unit: unit.inventory.in_states(states, **narrowed))
    return [int(attachment.id[-12:]) for attachment in found]


@pytest.mark.parametrize("states", [(), (S.RECEIVING,), (S.PURGING, S.SCANNING), tuple(LIVE), tuple(AttachmentState)])
def test_attachments_in_some_states_come_in_the_order_of_their_ids(stored, states):
    assert in_states(stored, states) == expected(*states)


def test_a_page_of_them_goes_on_after_an_id_and_is_no_longer_than_asked(stored):
    wanted = expected(S.PURGING, S.SCANNING, S.AVAILABLE)
    seen: list[int] = []
    while found := in_states(
        stored,
        {S.PURGING, S.SCANNING, S.AVAILABLE},
        after=AttachmentId(number(seen[-1])) if seen else None,
        limit=2,
    ):
        assert len(found) <= 2
        seen += found
    assert seen == wanted


def test_age_narrows_to_what_was_made_before_an_instant(stored):
    assert in_states(stored, set(AttachmentState), created_before=T0 + 4 * TICK) == [1, 2, 3]


def test_live_are_those_that_hold_bytes(stored):
    assert stored.read(lambda unit: unit.inventory.live_count()) == len(expected(*LIVE))


def test_blobs_lead_to_the_rows_that_name_them(stored):
    wanted = [BlobId(f"{n:032x}") for n in (1, 2, 99)]
    found = stored.read(lambda unit: unit.inventory.by_blobs(wanted))
    assert {blob: int(attachment.id[-12:]) for blob, attachment in found.items()} == {wanted[0]: 1, wanted[1]: 2}
    assert stored.read(lambda unit: unit.inventory.by_blobs([])) == {}


def test_everything_is_everything_in_order_however_much_it_is(records):
    def begin(unit):
        unit.tickets.put(a_ticket(1))
        for n in range(1201):
            unit.attachments.add(replace(an_attachment(n + 1), state=STATES[n % len(STATES)]))

    records.write(begin)
    found = records.read(lambda unit: [int(attachment.id[-12:]) for attachment in unit.inventory.all()])
    assert found == list(range(1, 1202))
    blobs = [BlobId(f"{n:032x}") for n in range(1, 1202)]
    assert len(records.read(lambda unit: unit.inventory.by_blobs(blobs))) == 1201


def test_everything_of_nothing_is_nothing(records):
    assert records.read(lambda unit: list(unit.inventory.all())) == []
