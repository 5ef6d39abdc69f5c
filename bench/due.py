"""What retention costs among many attachments: the first page of what is due, a contract that changes, a purge.

    python -m bench due       ATTACHMENTS=1000000  PURGED=10000

Rows are made directly: on SQLite, in a folder of the disk that ``TMPDIR`` names, and on the PostgreSQL that
``TEST_POSTGRES_URL`` names, if it does, in a database of its own. There are no blobs: what is measured is the records.
"""

from __future__ import annotations

import logging
import os
import secrets
import sqlite3
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit, urlunsplit

import psycopg
from psycopg import sql

from audit import Log
from crypto import Signer
from crypto.key_memory import MemoryKeyRing
from domain.actor import EVERYTHING, SYSTEM
from keys import Keys
from retention import Brakes, CertificateDesk, Change, Pace, Policy, Purge
from storage.records import Records
from storage.records.postgres import PostgresRecords, upgrade
from storage.records.schema.types import EPOCH
from storage.records.sqlite import DATABASE, open_site
from tickets import Facts, OrganisationFact

ATTACHMENTS = int(os.environ.get("ATTACHMENTS", "1000000"))
PURGED = int(os.environ.get("PURGED", "10000"))
A_TICKET = 4
ORGANISATIONS = 100
NOW = datetime(2026, 11, 24, 11, 0, tzinfo=UTC)
DAY = 86_400_000_000
POLICY = {"others": "P365D"}
"""So that the dates below are plain sums."""
WATCHED = ("tickets", "attachments", "organisations", "links", "holds")
ORGANISATION = ("id", "ref", "name", "contract_ends_on", "facts_at", "created_at")
TICKET = (
    "id", "ref", "organisation_id", "status", "subject_sealed", "last_activity_at", "facts_at", "retention_class",
    "retention_rule", "purge_due_at", "created_at", "version",
)  # fmt: skip
ATTACHMENT = (
    "id", "ticket_id", "blob_id", "name_sealed", "declared_size", "reserved_bytes", "size", "sealed_size", "sha256",
    "sealed_sha256", "commitment", "segment_size", "stream_format", "media_type", "state", "scan", "source",
    "created_at", "download_count", "version",
)  # fmt: skip
Rows = Iterator[tuple[Any, ...]]


def number(n: int) -> str:
    """An id in the form of ours."""
    return f"00000000-0000-7000-8000-{n:012x}"


def micro(at: datetime) -> int:
    """As an instant is kept."""
    return (at - EPOCH) // timedelta(microseconds=1)


def last_day(organisation: int) -> date:
    """When an organisation's contract ends."""
    return date(2025, 6, 1) + timedelta(days=organisation)


def organisations() -> Rows:
    """Customers whose contracts end one after another."""
    for n in range(ORGANISATIONS):
        yield number(n), f"org-{n}", f"Org {n}", last_day(n).isoformat(), 0, 0


def tickets() -> Rows:
    """Every other one a customer's; the others' dates are spread over two years around now."""
    for n in range(ATTACHMENTS // A_TICKET):
        owner = n % ORGANISATIONS if n % 2 else None
        if owner is None:
            due = micro(NOW) - 365 * DAY + n * 6_364_136_223_846_793 % (730 * DAY)
            kind, rule = "other", "P365D after last_activity_at"
        else:
            end = last_day(owner)
            due = micro(datetime(end.year + 1, end.month, end.day, tzinfo=UTC) + timedelta(days=1))
            kind, rule = "customer", "P1Y after contract_ends_on"
        owner_id = None if owner is None else number(owner)
        yield number(n), f"T-{n}", owner_id, "closed", b"s" * 80, due - 365 * DAY, 0, kind, rule, due, 0, 1


def attachments() -> Rows:
    """One after another in time, spread over the tickets."""
    for n in range(ATTACHMENTS):
        yield (
            number(n), number(n * 7919 % (ATTACHMENTS // A_TICKET)), f"{n * 2654435761 % 2**64:016x}", b"n" * 60, 10240,
            0, 10240, 10300, b"1" * 32, b"2" * 32, b"3" * 32, 1 << 20, 1, "application/pdf", "available", "none",
            "requester", 0, 0, 2,
        )  # fmt: skip


def wrapped_keys() -> Rows:
    """One for each attachment: they are destroyed, never opened."""
    for n in range(ATTACHMENTS):
        yield number(n), "attachment", 1, b"k" * 76


TABLES: Sequence[tuple[str, Sequence[str], Callable[[], Rows]]] = (
    ("organisations", ORGANISATION, organisations),
    ("tickets", TICKET, tickets),
    ("attachments", ATTACHMENT, attachments),
    ("wrapped_keys", ("owner_id", "purpose", "generation", "sealed"), wrapped_keys),
    ("generation_uses", ("generation", "uses"), lambda: iter([(1, ATTACHMENTS)])),
)


@dataclass(frozen=True)
class Side:
    """One database. ``written``: how many rows of the watched tables were written so far."""

    name: str
    records: Records
    explain: Callable[[str], list[str]]
    written: Callable[[], dict[str, int]]


@contextmanager
def on_sqlite(folder: Path) -> Iterator[Side]:
    """A file of its own, with triggers that count."""
    open_site(folder, lambda: NOW).close()
    path = folder / DATABASE
    with closing(sqlite3.connect(path, isolation_level=None)) as driver:
        driver.execute("PRAGMA synchronous=OFF")
        driver.execute("BEGIN")
        for table, columns, rows in TABLES:
            marks = ", ".join("?" * len(columns))
            driver.executemany(f"INSERT INTO {table} ({', '.join(columns)}) VALUES ({marks})", rows())
        driver.execute("CREATE TABLE written (name TEXT PRIMARY KEY, n INTEGER)")
        for table in WATCHED:
            driver.execute("INSERT INTO written VALUES (?, 0)", (table,))
            for what in ("INSERT", "UPDATE", "DELETE"):
                driver.execute(
                    f"CREATE TRIGGER written_{table}_{what} AFTER {what} ON {table}"
                    f" BEGIN UPDATE written SET n = n + 1 WHERE name = '{table}'; END"
                )
        driver.execute("COMMIT")
        records = open_site(folder, lambda: NOW)
        yield Side(
            "SQLite",
            records,
            lambda query: [row[3] for row in driver.execute(f"EXPLAIN QUERY PLAN {query}")],
            lambda: dict(driver.execute("SELECT name, n FROM written")),
        )
        records.close()


@contextmanager
def on_postgres(base: str) -> Iterator[Side]:
    """A database of its own beside the one named, which counts by itself."""
    name = f"bilaga_bench_{secrets.token_hex(6)}"
    url = urlunsplit(urlsplit(base)._replace(path=f"/{name}"))
    with psycopg.connect(base, autocommit=True) as admin:
        admin.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))
        try:
            upgrade(url)
            with psycopg.connect(url, autocommit=True) as person:
                for table, columns, rows in TABLES:
                    into = f"COPY {table} ({', '.join(columns)}) FROM STDIN"
                    with person.cursor() as cursor, cursor.copy(into.encode()) as copy:
                        for row in rows():
                            copy.write_row(row)
                person.execute("ANALYZE")
                records = PostgresRecords(url)

                def written() -> dict[str, int]:
                    time.sleep(11)  # an idle connection tells what it wrote after ten seconds
                    person.execute("SELECT pg_stat_clear_snapshot()")
                    found = person.execute(
                        "SELECT relname, n_tup_ins + n_tup_upd + n_tup_del FROM pg_stat_user_tables"
                        " WHERE relname = ANY(%s)",
                        (list(WATCHED),),
                    )
                    return {str(table): int(n) for table, n in found}

                def explain(query: str) -> list[str]:
                    return [row[0] for row in person.execute(f"EXPLAIN (ANALYZE, COSTS OFF) {query}".encode())]

                yield Side("PostgreSQL", records, explain, written)
                records.close()
        finally:
            admin.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(name)))


DUE = """SELECT a.id, a.ticket_id, t.purge_due_at FROM tickets t JOIN attachments a ON a.ticket_id = t.id
WHERE t.purge_due_at <= {now} AND t.erased_at IS NULL AND {state} IN ('available', 'quarantined', 'scanning')
AND NOT (EXISTS (SELECT 1 FROM holds h WHERE h.ticket_id = t.id AND h.released_at IS NULL)
 OR EXISTS (SELECT 1 FROM holds h WHERE h.organisation_id = t.organisation_id AND h.released_at IS NULL))
ORDER BY t.purge_due_at, t.id, a.id LIMIT 100"""
"""As ``SqlDisposals.due`` asks, to be read by people; tests look at the plan of the very statement."""


class NoBlobs:
    """A store that has nothing, and so removes at once."""

    def delete(self, blob_id: str) -> None:
        """Done."""

    def stat(self, blob_id: str) -> None:
        """Gone."""


def timed(what: str, work: Callable[[], object], times: int = 9) -> None:
    """Say what the first and the middle one took."""
    took = []
    for _ in range(times):
        began = time.perf_counter()
        found = work()
        took.append((time.perf_counter() - began) * 1000)
    print(f"  {what:52} first {took[0]:8.1f} ms, median {statistics.median(took):8.1f} ms  ({found})", flush=True)


def measure(side: Side) -> None:
    """All of it on one side."""
    records = side.records
    state = "coalesce(a.state, '')" if side.name == "SQLite" else "a.state"
    print(f"{side.name}: {ATTACHMENTS} attachments, load {os.getloadavg()[0]:.1f}")
    for line in side.explain(DUE.format(now=micro(NOW), state=state)):
        print(f"    {line}")

    def page(held: bool | None) -> int:
        return len(records.read(lambda unit: unit.disposals.due(NOW, EVERYTHING, after=None, limit=100, held=held)))

    timed("due: first page of 100, kept by no hold", lambda: page(False))
    timed("due: first page of 100, holds named", lambda: page(None))
    timed("how many are due", lambda: records.read(lambda unit: unit.disposals.due_count(NOW)), 3)

    ring = MemoryKeyRing(NOW)
    policy = Policy.from_mapping(POLICY)
    keys = Keys(ring)
    log = Log(Signer("bilaga/bench", ring.secret("audit")), lambda: NOW, ring.installation, None)
    facts = Facts(keys, log, policy.of, lambda: NOW, ring.secret("search"))
    before = side.written()
    began = time.perf_counter()
    fact = OrganisationFact("org-7", contract_ends_on=date(2040, 1, 1))
    records.write(lambda unit: facts.put_organisation(unit, SYSTEM, fact))
    seconds = time.perf_counter() - began
    after = side.written()
    changed = {table: after[table] - before.get(table, 0) for table in after if after[table] != before.get(table, 0)}
    print(f"  a contract's end moved: {seconds * 1000:.0f} ms, rows written: {changed}", flush=True)

    began = time.perf_counter()
    shorter = Policy.from_mapping({"others": "P300D"})
    nearer = sum(len(one.files) for one in Change(policy.decide, shorter.decide).nearer(records))
    print(f"  preview of a shorter policy: {nearer} files in {time.perf_counter() - began:.1f} s", flush=True)

    blobs: Any = NoBlobs()
    signer = Signer("bilaga/bench", ring.secret("audit"))
    purge = Purge(
        records,
        blobs,
        keys,
        log,
        policy.of,
        clock=lambda: NOW,
        # the rows' time is not the database's
        brakes=Brakes(share=1.0, drift=timedelta(days=36500)),
        certificates=CertificateDesk(signer, ring.installation, timedelta(days=30)),
        pace=Pace(blobs_a_second=None),
    )
    # the oldest ones: those of nobody's, whose dates begin a year ago
    until = NOW - timedelta(days=365) + timedelta(days=730) * (2 * PURGED / ATTACHMENTS)
    began = time.perf_counter()
    report = purge.run(SYSTEM, now=until)
    seconds = time.perf_counter() - began
    if report.failed:
        print(f"  not purged: {report.failed[0]} and others")
    print(f"  purge: {report.purged} in {seconds:.1f} s, {report.purged / seconds:.0f} a second", flush=True)


def run() -> None:
    """As the module's docstring says."""
    logging.disable(logging.ERROR)  # quotas are not filled
    with tempfile.TemporaryDirectory() as folder, ExitStack() as stack:
        measure(stack.enter_context(on_sqlite(Path(folder) / "site")))
    postgres = os.environ.get("TEST_POSTGRES_URL")
    if postgres is not None:
        with on_postgres(postgres) as side:
            measure(side)
