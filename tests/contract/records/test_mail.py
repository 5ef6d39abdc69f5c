from __future__ import annotations

from dataclasses import replace

import pytest

from domain.ids import AttachmentId, TicketId
from domain.mail import MailPart, MailState
from storage.records import Records
from tests.contract.records.given import HOUR, T0, a_ticket, digest, number

FIRST, SECOND = TicketId(number(1)), TicketId(number(2))
MAIL = digest("a mail")


def a_part(part: int, ticket: TicketId = FIRST, **changes) -> MailPart:
    attachment = AttachmentId(number(100 + part)) if part else None
    return replace(MailPart(MAIL, ticket, part, attachment, MailState.KEPT, T0, None), **changes)


@pytest.fixture
def stored(records: Records) -> Records:
    """A mail of two files for one ticket, the same for another, and another one."""

    def begin(unit):
        unit.tickets.put(a_ticket(1))
        unit.tickets.put(a_ticket(2))
        unit.mail_deliveries.add([a_part(2), a_part(0), a_part(1)])
        unit.mail_deliveries.add([a_part(0, SECOND)])
        unit.mail_deliveries.add([a_part(0, digest=digest("another"), kept_at=T0 + HOUR)])

    records.write(begin)
    return records


def found(records: Records, ticket: TicketId = FIRST, mail: bytes = MAIL) -> list[MailPart]:
    return list(records.read(lambda unit: unit.mail_deliveries.find(mail, ticket)))


def test_a_mail_is_known_again_by_its_digest_and_ticket(stored):
    assert found(stored) == [a_part(0), a_part(1), a_part(2)]
    assert found(stored, SECOND) == [a_part(0, SECOND)]
    assert found(stored, SECOND, digest("another")) == []


def test_that_it_was_handed_on_is_said_of_all_of_it(stored):
    stored.write(lambda unit: unit.mail_deliveries.mark_relayed(MAIL, FIRST, at=T0 + HOUR))
    assert {(one.state, one.relayed_at) for one in found(stored)} == {(MailState.RELAYED, T0 + HOUR)}
    assert found(stored, SECOND) == [a_part(0, SECOND)]


def test_a_ticket_is_forgotten_with_its_mails(stored):
    assert stored.write(lambda unit: unit.mail_deliveries.forget(FIRST)) == 4
    assert found(stored) == []
    assert found(stored, SECOND) == [a_part(0, SECOND)]


def test_old_ones_are_swept(stored):
    assert stored.write(lambda unit: unit.mail_deliveries.sweep(T0 + HOUR)) == 4
    assert len(found(stored, FIRST, digest("another"))) == 1
