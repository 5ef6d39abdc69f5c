"""The WAL: who copies it, when, and that what was erased leaves both files.

The files are read by another program: closing a descriptor of them in this process would drop SQLite's locks.
"""

from __future__ import annotations

import sqlite3
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from domain.clock import system_clock
from domain.errors import RecordsUnavailable
from storage.records import Records, WrappedRow
from storage.records.sqlite import DATABASE, SqliteRecords
from storage.records.upgrade import upgrade

ROOT = Path(__file__).parents[3]
KEY = b"a wrapped key that nobody may find again"


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "site" / DATABASE
    upgrade(path)
    return path


@pytest.fixture
def service(path: Path) -> Iterator[SqliteRecords]:
    records = SqliteRecords(path, clock=system_clock, checkpoints=True, checkpoint_rows=100, tidy_seconds=0.3)
    yield records
    records.close()


@pytest.fixture
def command(path: Path, service: SqliteRecords) -> Iterator[SqliteRecords]:
    """Beside the service."""
    records = SqliteRecords(path, clock=system_clock, checkpoints=False, checkpoint_rows=100)
    yield records
    records.close()


def wal(path: Path) -> Path:
    return path.with_name(path.name + "-wal")


def holds(path: Path, what: bytes) -> bool:
    found = subprocess.run(["grep", "-c", "-a", "-F", what.decode(), str(path)], capture_output=True, check=False)
    assert found.returncode in (0, 1), found.stderr
    return found.returncode == 0


def write_marks(records: Records, many: int) -> None:
    for n in range(many):
        records.write(lambda unit, n=n: unit.site.put(f"mark-{n}", "x" * 2000))  # type: ignore[misc]


def copied(path: Path, size_before: int) -> bool:
    """Whether the database itself has grown."""
    return path.stat().st_size > size_before


def test_a_command_beside_the_service_never_copies_the_wal_and_does_not_tidy(path, service, command):
    before = path.stat().st_size
    write_marks(command, 300)
    command.tidy()
    command.close()
    assert not copied(path, before)
    assert wal(path).stat().st_size > 300 * 2000


def test_the_service_copies_it_when_enough_rows_have_changed(path, service):
    before = path.stat().st_size
    write_marks(service, 99)
    assert not copied(path, before)
    write_marks(service, 60)
    assert copied(path, before)


def test_the_room_of_the_wal_is_used_again_and_does_not_grow_for_ever(path, service):
    write_marks(service, 1000)
    assert wal(path).stat().st_size < 300 * 3 * 4200


def test_a_command_that_runs_alone_leaves_no_wal_behind(path):
    before = path.stat().st_size
    records = SqliteRecords(path, clock=system_clock, checkpoints=False)
    write_marks(records, 300)
    assert not copied(path, before)
    records.close()
    assert copied(path, before)
    assert not wal(path).exists()


def test_while_another_process_holds_the_write_lock_nothing_is_copied(path):
    """The lock is what keeps a checkpoint and a commit apart."""
    records = SqliteRecords(path, clock=system_clock, checkpoints=True, checkpoint_rows=10**9, busy_seconds=0.1)
    write_marks(records, 300)
    before = path.stat().st_size
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("PRAGMA wal_autocheckpoint=0")
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(RecordsUnavailable):
            records.tidy()
        assert not copied(path, before)
        other.execute("ROLLBACK")
    records.tidy()
    assert copied(path, before)
    records.close()


def test_what_was_erased_is_in_neither_file_after_tidying(path, service):
    row = WrappedRow(owner_id="owner", purpose="attachment", generation=1, sealed=KEY)
    service.write(lambda unit: unit.keys.add(row))
    service.tidy()
    assert holds(path, KEY)
    service.write(lambda unit: unit.keys.destroy("owner"))
    assert holds(path, KEY)  # the old page, until it is overwritten
    service.tidy()
    assert not holds(path, KEY)
    assert not holds(wal(path), KEY)

    service.write(lambda unit: unit.keys.add(row))
    service.write(lambda unit: unit.keys.destroy("owner"))
    assert holds(wal(path), KEY)  # a page in between, which never was in the database
    service.tidy()
    assert not holds(path, KEY)
    assert not holds(wal(path), KEY)


def test_tidying_twice_does_something_once(path, service):
    write_marks(service, 20)
    service.tidy()
    first = wal(path).stat()
    assert first.st_size < 70_000
    service.tidy()
    assert wal(path).stat().st_mtime_ns == first.st_mtime_ns
    service.write(lambda unit: unit.site.put("one more", "1"))
    service.tidy()
    assert wal(path).stat().st_mtime_ns > first.st_mtime_ns


def test_a_reader_that_needs_the_wal_puts_tidying_off_and_harms_nothing(path, service):
    service.write(lambda unit: unit.site.put("a", "1"))
    reading, done = threading.Event(), threading.Event()

    def read(unit) -> tuple[str | None, str | None]:
        first = unit.site.get("a")
        reading.set()
        done.wait(20)
        return first, unit.site.get("a")

    seen: list[tuple[str | None, str | None]] = []
    reader = threading.Thread(target=lambda: seen.append(service.read(read)))
    reader.start()
    reading.wait(20)
    service.write(lambda unit: unit.site.put("a", "2"))
    with pytest.raises(RecordsUnavailable):
        service.tidy()
    service.write(lambda unit: unit.site.put("b", "3"))
    done.set()
    reader.join()
    assert seen == [("1", "1")]
    service.tidy()
    assert wal(path).stat().st_size < 70_000
    assert service.read(lambda unit: (unit.site.get("a"), unit.site.get("b"))) == ("2", "3")


COMMAND = """
import sys, pathlib
from domain.clock import system_clock
from storage.records.sqlite import SqliteRecords
for turn in range(5):
    records = SqliteRecords(pathlib.Path(sys.argv[1]), clock=system_clock, checkpoints=False)
    for n in range(40):
        records.write(lambda unit: unit.site.put(f"{sys.argv[2]}-{turn}-{n}", "x" * 500))
    records.close()
"""


def test_service_and_commands_write_at_once_and_every_row_is_there_in_a_sound_database(path):
    service = SqliteRecords(path, clock=system_clock, checkpoints=True, checkpoint_rows=3)
    commands = [subprocess.Popen([sys.executable, "-c", COMMAND, str(path), name], cwd=ROOT) for name in ("one", "two")]
    n = 0
    while any(command.poll() is None for command in commands):
        service.write(lambda unit, n=n: unit.site.put(f"service-{n}", "x" * 500))  # type: ignore[misc]
        n += 1
        if n % 10 == 0:
            service.tidy()
    assert [command.returncode for command in commands] == [0, 0]

    def count(unit) -> int:
        names = [f"service-{i}" for i in range(n)]
        names += [f"{name}-{turn}-{i}" for name in ("one", "two") for turn in range(5) for i in range(40)]
        return sum(unit.site.get(name) is None for name in names)

    assert service.read(count) == 0
    service.close()
    with closing(sqlite3.connect(path)) as driver:
        assert driver.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
