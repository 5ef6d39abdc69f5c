"""Deleted in its own system: kept for a grace, longer where a contract says so, and back when it comes back."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta

import pytest

from domain.ids import OrganisationId, TicketId
from domain.ticket import Organisation, Standing
from retention import Policy
from tickets.plain import blank

AT = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
TICKET = blank(TicketId("t"), "T", AT)
ACME = Organisation(OrganisationId("o"), "acme", "Acme", date(2027, 1, 1), AT, AT)


@pytest.mark.parametrize("standing", [Standing.TRASHED, Standing.GONE])
def test_what_was_deleted_goes_after_a_grace_unless_a_contract_keeps_it(standing):
    policy = Policy.from_mapping({"deleted": "P10D"})
    deleted = replace(TICKET, standing=standing, standing_since=AT)
    destiny = policy.decide(deleted, None)
    assert (destiny.due_at, destiny.facts["rule"]) == (AT + timedelta(days=10), "deleted")
    assert policy.decide(deleted, ACME).due_at == policy.decide(TICKET, ACME).due_at


@pytest.mark.parametrize("standing", [Standing.PRESENT, Standing.SPAM, Standing.MERGED])
def test_what_is_there_or_only_marked_is_kept_as_ever(standing):
    policy = Policy.from_mapping({})
    marked = replace(TICKET, standing=standing, standing_since=AT)
    assert policy.decide(marked, None).due_at == policy.decide(TICKET, None).due_at
    assert policy.decide(TICKET, None).facts["lost"] is None


def test_another_grace_is_another_policy_and_is_kept_as_it_was_said():
    founding, other = Policy.from_mapping({}), Policy.from_mapping({"deleted": "P10D"})
    assert Policy.from_mapping({"deleted": "P30D"}).fingerprint == founding.fingerprint
    assert other.fingerprint != founding.fingerprint
    assert Policy.from_document(other.document).document == other.document != founding.document
