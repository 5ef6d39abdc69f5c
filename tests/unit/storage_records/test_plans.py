"""How SQLite answers: by an index, whatever the number of rows.

Without statistics (the service never makes any) the plan does not depend on the rows, so an empty database tells.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Connection, Engine, event

from domain.actor import EVERYTHING, Scope
from domain.attachment import LIVE, AttachmentState
from domain.ids import AttachmentId, BlobId, OrganisationId, ReceiptId, TicketId
from storage.records import TicketFilter, Unit, pragmas
from storage.records.sql.unit import SqlUnit
from storage.records.upgrade import upgrade

NOW = datetime(2026, 3, 1, tzinfo=UTC)
A, T, ORG = AttachmentId("a"), TicketId("t"), OrganisationId("o")
SCOPES = [EVERYTHING, Scope(organisation_id=ORG), Scope(ticket_id=T), Scope(organisation_id=ORG, ticket_id=T)]


class Plans:
    """Runs a piece of work and gives the plan of every statement in it."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._seen: list[tuple[str, Any]] = []
        event.listen(engine, "before_cursor_execute", self._note)

    def _note(self, connection: Connection, cursor: Any, statement: str, values: Any, *_: Any) -> None:
        if statement.startswith("SELECT"):
            self._seen.append((statement, values))

    def of(self, work: Callable[[Unit], Any]) -> list[str]:
        self._seen.clear()
        with self._engine.begin() as connection:
            work(SqlUnit(connection))
            driver: Any = connection.connection.driver_connection
            return [
                step[3]
                for statement, values in list(self._seen)
                for step in driver.execute("EXPLAIN QUERY PLAN " + statement, values)
            ]


@pytest.fixture(scope="module")
def plans(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Plans]:
    path: Path = tmp_path_factory.mktemp("plans") / "records.sqlite"
    upgrade(path)
    engine = pragmas.engine(path, writing=False, connections=1, busy_seconds=5)
    yield Plans(engine)
    engine.dispose()


@pytest.mark.parametrize("held", [None, True, False])
@pytest.mark.parametrize("after", [None, (NOW, A)])
def test_what_is_due_is_found_along_the_dates_and_attachments_are_not_read(plans, after, held):
    found = plans.of(lambda unit: unit.disposals.due(NOW, EVERYTHING, after=after, limit=9, held=held))
    (dates,) = [step for step in found if "ix_tickets_due" in step]
    assert dates.startswith("SEARCH tickets")
    # Page after page begins where the last one ended.
    assert ("(purge_due_at,id)>(?,?)" in dates) is (after is not None)
    assert "SEARCH attachments USING COVERING INDEX ix_attachments_ticket_id_id_state (ticket_id=?)" in found
    # Dates come in order; only attachments of one ticket are sorted.
    assert "USE TEMP B-TREE FOR ORDER BY" not in found
    assert not [step for step in found if step.startswith("SCAN")]
    for owner in ("ticket", "organisation"):
        assert [step for step in found if f"uq_holds_{owner}_in_force ({owner}_id=?)" in step]


@pytest.mark.parametrize("scope", SCOPES)
@pytest.mark.parametrize(
    "work",
    [
        lambda unit, scope: unit.disposals.due(NOW, scope, after=(NOW, A), limit=9, held=False),
        lambda unit, scope: unit.disposals.due_count(NOW),
        lambda unit, scope: unit.disposals.item(A),
        lambda unit, scope: unit.holds.held(T),
        lambda unit, scope: unit.holds.on_organisation(ORG),
        lambda unit, scope: unit.attachments.get(A, scope),
        lambda unit, scope: unit.attachments.of_ticket(T, scope),
        lambda unit, scope: unit.attachments.of_receipt(ReceiptId("r")),
        lambda unit, scope: unit.inventory.in_states(set(AttachmentState), after=A, limit=9),
        lambda unit, scope: unit.inventory.in_states(LIVE, created_before=NOW, limit=9),
        lambda unit, scope: unit.inventory.live_count(),
        lambda unit, scope: unit.inventory.by_blobs([BlobId("b"), BlobId("c")]),
        lambda unit, scope: list(unit.inventory.all()),
        lambda unit, scope: unit.tickets.get("ref", scope),
        lambda unit, scope: unit.tickets.by_id(T, scope),
        lambda unit, scope: unit.tickets.page(TicketFilter(held=False, due_before=NOW), scope, after=T, limit=9),
        lambda unit, scope: unit.tickets.page(TicketFilter(organisation_id=ORG), scope, after=None, limit=9),
        lambda unit, scope: unit.tickets.of_organisation(ORG, after=None, limit=9),
        lambda unit, scope: unit.tickets.expired(NOW, limit=9),
        lambda unit, scope: unit.organisations.get("ref", scope),
        lambda unit, scope: unit.organisations.page(scope, after=None, limit=9),
        lambda unit, scope: unit.quotas.get(T),
        lambda unit, scope: list(unit.quotas.all()),
        lambda unit, scope: unit.certificates.of_attachment(A),
    ],
)
def test_no_question_reads_a_whole_table(plans, work, scope):
    found = plans.of(lambda unit: work(unit, scope))
    assert found
    assert not [step for step in found if step.startswith("SCAN") and step != "SCAN CONSTANT ROW"]


def test_the_live_are_counted_in_the_index_alone(plans):
    (step,) = plans.of(lambda unit: unit.inventory.live_count())
    assert step == "SEARCH attachments USING COVERING INDEX ix_attachments_state_id (state=?)"


def test_pages_by_state_are_not_sorted(plans):
    found = plans.of(lambda unit: unit.inventory.in_states(LIVE, after=A, limit=9))
    assert set(found) == {"SEARCH attachments USING INDEX ix_attachments_state_id (state=? AND id>?)"}
