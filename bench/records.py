"""What the records cost: commits a second, and the first page of what is due among a million attachments.

    python bench/records.py [--folder FOLDER] [--attachments N] [--seconds S]

The folder must be on the disk that is to be measured, not in memory.
"""

from __future__ import annotations

import argparse
import shutil
import sqlite3
import statistics
import sys
import tempfile
import threading
import time
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent))

from domain.actor import EVERYTHING, Scope
from domain.attachment import Attachment, AttachmentState, Scan, Source
from domain.ids import AttachmentId, BlobId, OrganisationId, TicketId
from domain.ticket import Ticket, TicketStatus
from storage.records.schema.types import EPOCH
from storage.records.sqlite import DATABASE, SqliteRecords, open_site

NOW = datetime(2026, 11, 24, 11, 0, tzinfo=UTC)
FILES_A_TICKET = 4


def number(n: int) -> str:
    return f"00000000-0000-7000-8000-{n:012x}"


def a_ticket(n: int) -> Ticket:
    return Ticket(
        id=TicketId(number(n)),
        ref=f"T-{n}",
        organisation_id=None,
        status=TicketStatus.OPEN,
        subject_sealed=b"s" * 80,
        requester_email_sealed=b"m" * 80,
        requester_email_digest=None,
        requester_name_sealed=None,
        opened_at=NOW,
        last_activity_at=NOW,
        closed_at=None,
        channel="web",
        facts_at=NOW,
        retention_class="default",
        retention_rule="P1Y after the last activity",
        purge_due_at=None,
        created_at=NOW,
        erased_at=None,
        version=1,
    )


def an_attachment(n: int, ticket: int) -> Attachment:
    return Attachment(
        id=AttachmentId(number(n)),
        ticket_id=TicketId(number(ticket)),
        link_id=None,
        receipt_id=None,
        blob_id=BlobId(f"{n:064x}"),
        name_sealed=b"n" * 60,
        declared_size=10_240,
        reserved_bytes=10_240,
        size=None,
        sealed_size=None,
        sha256=None,
        sealed_sha256=None,
        commitment=None,
        segment_size=1 << 20,
        stream_format=1,
        media_type=None,
        state=AttachmentState.RECEIVING,
        scan=Scan.NONE,
        scanned_by=None,
        source=Source.REQUESTER,
        created_at=NOW,
        available_at=None,
        download_count=0,
        purge_reason=None,
        purged_at=None,
        certificate_id=None,
        version=1,
    )


def adding(n: int):
    return lambda unit: unit.attachments.add(an_attachment(n, 1))


def saving_it(row: Attachment):
    return lambda unit: unit.attachments.save(row)


def callers(records: SqliteRecords, many: int, seconds: float, first: int) -> tuple[float, float]:
    """Attachments added and attachments saved in a second, one work each, by so many callers at once."""
    rates = []
    done: list[list[int]] = [[] for _ in range(many)]
    for saving in (False, True):
        stop = time.perf_counter() + seconds
        counts = [0] * many

        def run(me: int, stop: float = stop, counts: list[int] = counts, saving: bool = saving) -> None:
            while time.perf_counter() < stop:
                if not saving:
                    n = first + me + many * counts[me]
                    records.write(adding(n))
                    done[me].append(n)
                elif counts[me] < len(done[me]):
                    row = replace(
                        an_attachment(done[me][counts[me]], 1), state=AttachmentState.AVAILABLE, size=10_240, version=2
                    )
                    records.write(saving_it(row))
                else:
                    return
                counts[me] += 1

        began = time.perf_counter()
        threads = [threading.Thread(target=run, args=(me,)) for me in range(many)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        rates.append(sum(counts) / (time.perf_counter() - began))
    return rates[0], rates[1]


def yardstick(folder: Path, seconds: float) -> float:
    """What one caller gets from the sqlite3 module alone, a row of the same size a commit: the disk's share."""
    with closing(sqlite3.connect(folder / "yardstick.sqlite", isolation_level=None)) as driver:
        driver.execute("PRAGMA journal_mode=WAL")
        driver.execute("PRAGMA synchronous=FULL")
        driver.execute("CREATE TABLE rows (id TEXT PRIMARY KEY, body BLOB)")
        began = time.perf_counter()
        n = 0
        while time.perf_counter() - began < seconds:
            driver.execute("BEGIN IMMEDIATE")
            driver.execute("INSERT INTO rows VALUES (?, ?)", (number(n), b"x" * 300))
            driver.execute("COMMIT")
            n += 1
        return n / (time.perf_counter() - began)


def commits(folder: Path, seconds: float) -> None:
    shutil.rmtree(folder, ignore_errors=True)
    records = open_site(folder, lambda: NOW)
    records.write(lambda unit: unit.tickets.put(a_ticket(1)))
    for turn, many in enumerate((1, 4, 16, 64)):
        added, saved = callers(records, many, seconds, 1 + turn * 10_000_000)
        alone = yardstick(folder, seconds / 2)
        (folder / "yardstick.sqlite").unlink()
        print(
            f"{many:3} callers: {added:7.0f} inserts/s  {saved:7.0f} state changes/s"
            f"  (sqlite3 alone, one caller: {alone:.0f} commits/s)",
            flush=True,
        )
    records.close()


def fill(path: Path, attachments: int, *, due: str) -> None:
    """Rows made directly. ``due``: "spread" over two years, or "together", all at one instant."""
    micro = int((NOW - EPOCH).total_seconds()) * 1_000_000
    day = 86_400 * 1_000_000
    tickets = attachments // FILES_A_TICKET
    with closing(sqlite3.connect(path, isolation_level=None)) as driver:
        driver.execute("PRAGMA synchronous=OFF")
        driver.execute("BEGIN")
        driver.executemany(
            "INSERT INTO organisations (id, ref, facts_at, created_at) VALUES (?, ?, 0, 0)",
            ((number(n), f"org-{n}") for n in range(100)),
        )
        driver.executemany(
            "INSERT INTO tickets (id, ref, organisation_id, status, subject_sealed, last_activity_at, facts_at,"
            " retention_class, retention_rule, purge_due_at, created_at, version)"
            " VALUES (?, ?, ?, 'closed', ?, 0, 0, 'default', 'P1Y', ?, 0, 1)",
            (
                (
                    number(n),
                    f"T-{n}",
                    number(n % 100),
                    b"s" * 80,
                    micro - day if due == "together" else micro - 365 * day + n * 6_364_136_223_846_793 % (730 * day),
                )
                for n in range(tickets)
            ),
        )
        driver.executemany(
            "INSERT INTO attachments (id, ticket_id, blob_id, name_sealed, declared_size, reserved_bytes, size,"
            " sealed_size, sha256, sealed_sha256, commitment, segment_size, stream_format, media_type, state, scan,"
            " source, created_at, download_count, version)"
            " VALUES (?, ?, ?, ?, 10240, 0, 10240, 10300, ?, ?, ?, 1048576, 1, 'application/pdf', 'available', 'none',"
            " 'requester', 0, 0, 2)",
            (
                # One after another in time, spread over the tickets.
                (
                    number(n),
                    number(n * 7919 % tickets),
                    f"{n * 2654435761 % 2**64:016x}",
                    b"n" * 60,
                    b"1" * 32,
                    b"2" * 32,
                    b"3" * 32,
                )
                for n in range(attachments)
            ),
        )
        driver.execute("COMMIT")


def timed(what: str, work, times: int = 5) -> None:
    took = []
    for _ in range(times):
        began = time.perf_counter()
        found = work()
        took.append((time.perf_counter() - began) * 1000)
    print(f"  {what:58} first {took[0]:8.1f} ms, median {statistics.median(took):8.1f} ms  ({found})", flush=True)


def due_pages(folder: Path, attachments: int, due: str) -> None:
    shutil.rmtree(folder, ignore_errors=True)
    open_site(folder, lambda: NOW).close()
    fill(folder / DATABASE, attachments, due=due)
    records = open_site(folder, lambda: NOW)
    print(f"{attachments} attachments, due dates {due}:")

    def page(before: datetime, scope: Scope = EVERYTHING, *, held: bool | None = False, after=None, limit: int = 1000):
        return records.read(lambda unit: unit.disposals.due(before, scope, after=after, limit=limit, held=held))

    one = Scope(organisation_id=OrganisationId(number(7)))
    timed("first page of 1000", lambda: len(page(NOW)))
    timed("first page of 50, holds named", lambda: len(page(NOW, held=None, limit=50)))
    middle = page(NOW, limit=20_000)[-1]
    timed("a page after 20,000 others", lambda: len(page(NOW, after=(middle.due_at, middle.attachment_id))))
    timed("first page of 1000 of one organisation (of 100)", lambda: len(page(NOW, one)))
    timed("first page of 1000 a year ahead", lambda: len(page(NOW + timedelta(days=365))))
    timed("how many are due", lambda: records.read(lambda unit: unit.disposals.due_count(NOW)), 3)
    timed("how many are live", lambda: records.read(lambda unit: unit.inventory.live_count()), 3)
    timed("expired tickets", lambda: len(records.read(lambda unit: unit.tickets.expired(NOW, limit=100))), 3)
    records.close()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--folder", type=Path)
    parser.add_argument("--attachments", type=int, default=1_000_000)
    parser.add_argument("--seconds", type=float, default=3.0)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=given.folder) as folder:
        commits(Path(folder) / "commits", given.seconds)
        for due in ("spread", "together"):
            due_pages(Path(folder) / due, given.attachments, due)


if __name__ == "__main__":
    main()
