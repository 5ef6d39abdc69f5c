"""How PostgreSQL answers with many rows and its statistics: by an index, whatever it was asked before."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any

import psycopg
import pytest
from sqlalchemy import Connection, event

from domain.actor import EVERYTHING, Scope
from domain.attachment import LIVE
from domain.ids import AttachmentId, BlobId, LinkId, OrganisationId, TicketId
from storage.records import TicketFilter, Unit, postgres_engine
from storage.records.sql.unit import SqlUnit

NOW = datetime(2033, 1, 1, tzinfo=UTC)
T = TicketId("2500".zfill(36))
A = AttachmentId("10000".zfill(36))
ORG = OrganisationId("50".zfill(36))
LARGE = {"tickets", "attachments", "quotas", "wrapped_keys", "outbox", "answers"}

FILL = """
INSERT INTO organisations SELECT lpad(n::text, 36, '0'), 'org-' || n, NULL, NULL, 0, 0 FROM generate_series(1, 100) n;
INSERT INTO tickets (id, ref, organisation_id, status, last_activity_at, facts_at, retention_class, retention_rule,
    purge_due_at, created_at, version)
  SELECT lpad(n::text, 36, '0'), 'ticket-' || n, lpad((1 + n % 100)::text, 36, '0'), 'closed', 0, 0, 'default', 'P1Y',
    1700000000000000 + n, 0, 1 FROM generate_series(1, 5000) n;
INSERT INTO attachments (id, ticket_id, blob_id, reserved_bytes, size, segment_size, stream_format, state, scan,
    source, created_at, download_count, version)
  SELECT lpad(n::text, 36, '0'), lpad((1 + (n - 1) / 4)::text, 36, '0'), md5(n::text), 0, 10, 1048576, 1, 'available',
    'clean', 'requester', 0, 0, 1 FROM generate_series(1, 20000) n;
INSERT INTO quotas SELECT id, NULL, NULL, 4, 40, 0, 0 FROM tickets;
INSERT INTO wrapped_keys SELECT id, 'attachment', 1, '' FROM attachments;
INSERT INTO outbox SELECT id, '', 0, n, n + 1000000 FROM (SELECT id, row_number() OVER () n FROM attachments) a;
INSERT INTO answers SELECT sha256(id::bytea), '', '', row_number() OVER () FROM attachments;
INSERT INTO holds (id, ticket_id, reason_sealed, placed_at)
  SELECT id, id, '', 0 FROM tickets WHERE id > lpad('4000', 36, '0');
ANALYZE;
"""


class Plans:
    """Runs a piece of work and gives each statement's plan: for its own values, and the one for any values that
    PostgreSQL may keep for a statement that comes often."""

    def __init__(self, url: str) -> None:
        self._engine = postgres_engine.engine(url, begin=postgres_engine.READ, connections=1)
        self._person = psycopg.connect(url, autocommit=True)
        self._seen: list[tuple[str, Any]] = []
        event.listen(self._engine, "before_cursor_execute", self._note)

    def _note(self, connection: Connection, cursor: Any, statement: str, values: Any, *_: Any) -> None:
        if statement.startswith("SELECT"):
            self._seen.append((statement, values))

    def of(self, work: Callable[[Unit], Any], mode: str) -> list[dict[str, Any]]:
        self._seen.clear()
        with self._engine.begin() as connection:
            work(SqlUnit(connection))
        self._person.execute(f"SET plan_cache_mode = force_{mode}_plan")
        return [node for statement, values in self._seen for node in self._nodes(statement, values)]

    def _nodes(self, statement: str, values: dict[str, Any]) -> Iterator[dict[str, Any]]:
        named: list[Any] = []

        def number(found: re.Match[str]) -> str:
            named.append(values[found[1]])
            return f"${len(named)}"

        prepared = re.sub(r"%\((\w+)\)s", number, statement)
        with psycopg.ClientCursor(self._person) as cursor:
            cursor.execute(f"PREPARE asked AS {prepared}")
            given = f"({', '.join(['%s'] * len(named))})" if named else ""
            cursor.execute(f"EXPLAIN (FORMAT JSON) EXECUTE asked {given}", named)
            ((plans,),) = cursor.fetchall()
            cursor.execute("DEALLOCATE asked")
        waiting = [plan["Plan"] for plan in plans]
        while waiting:
            node = waiting.pop()
            waiting += node.get("Plans", [])
            yield node

    def close(self) -> None:
        self._engine.dispose()
        self._person.close()


@contextmanager
def filled(databases) -> Iterator[str]:
    with databases.new() as url:
        with psycopg.connect(url, autocommit=True) as person:
            person.execute(FILL)
        yield url


@pytest.fixture(scope="module")
def plans(databases) -> Iterator[Plans]:
    with filled(databases) as url:
        made = Plans(url)
        yield made
        made.close()


MODES = ["custom", "generic"]
SCOPES = [EVERYTHING, Scope(organisation_id=ORG), Scope(ticket_id=T)]


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("held", [None, False])
@pytest.mark.parametrize("after", [None, (datetime(2023, 11, 14, 22, 13, 20, 2500, tzinfo=UTC), A)])
def test_what_is_due_is_found_along_the_dates_and_only_a_tickets_own_files_are_sorted(plans, after, held, mode):
    nodes = plans.of(lambda unit: unit.disposals.due(NOW, EVERYTHING, after=after, limit=100, held=held), mode)
    used = {node.get("Index Name") for node in nodes}
    assert {"ix_tickets_due", "ix_attachments_ticket_id_id_state"} <= used
    assert "Sort" not in {node["Node Type"] for node in nodes}


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("scope", SCOPES)
@pytest.mark.parametrize(
    "work",
    [
        lambda unit, scope: unit.disposals.due(NOW, scope, after=None, limit=9, held=False),
        lambda unit, scope: unit.disposals.item(A),
        lambda unit, scope: unit.holds.held(T),
        lambda unit, scope: unit.attachments.get(A, scope),
        lambda unit, scope: unit.attachments.of_ticket(T, scope),
        lambda unit, scope: unit.inventory.in_states(LIVE, after=A, limit=9),
        lambda unit, scope: unit.inventory.by_blobs([BlobId("b"), BlobId("c")]),
        lambda unit, scope: unit.tickets.get("ticket-1", scope),
        lambda unit, scope: unit.tickets.page(TicketFilter(held=False), scope, after=T, limit=9),
        lambda unit, scope: unit.tickets.page(TicketFilter(organisation_id=ORG), scope, after=None, limit=9),
        lambda unit, scope: unit.tickets.of_organisation(ORG, after=T, limit=9),
        lambda unit, scope: unit.quotas.get(T),
        lambda unit, scope: unit.keys.get(A, "attachment"),
        lambda unit, scope: unit.keys.older_than(2, after=(A, "attachment"), limit=9),
        lambda unit, scope: unit.keys.owners(after=(A, "attachment"), limit=9),
        lambda unit, scope: unit.outbox.waiting(datetime(1970, 1, 1, 0, 0, 0, 500, tzinfo=UTC), limit=9),
        lambda unit, scope: unit.links.by_digest(b"0" * 32),
        lambda unit, scope: unit.codes.sent_at(LinkId("x")),
    ],
)
def test_no_question_reads_a_whole_table(plans, work, scope, mode):
    nodes = plans.of(lambda unit: work(unit, scope), mode)
    assert nodes
    assert not [node for node in nodes if node["Node Type"] == "Seq Scan" and node["Relation Name"] in LARGE]
