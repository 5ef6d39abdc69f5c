"""What is SQLite's own: files, locks, sudden death. What every engine promises is in contract/records."""

from __future__ import annotations

import os
import signal
import stat
import subprocess
import sys
import threading
from datetime import UTC, datetime
from pathlib import Path

import pytest

from domain.clock import system_clock
from domain.errors import Misconfigured, RecordsUnavailable, SchemaOld
from storage.records.sqlite import DATABASE, SqliteRecords, open_site

ROOT = Path(__file__).parents[3]


def test_a_site_is_made_for_the_owner_alone_with_all_its_files(tmp_path):
    umask = os.umask(0)
    try:
        records = open_site(tmp_path / "site", system_clock)
        records.write(lambda unit: unit.site.put("a", "1"))
    finally:
        os.umask(umask)
    files = {file.name: stat.S_IMODE(file.stat().st_mode) for file in (tmp_path / "site").iterdir()}
    assert files == {DATABASE: 0o600, DATABASE + "-wal": 0o600, DATABASE + "-shm": 0o600}
    assert stat.S_IMODE((tmp_path / "site").stat().st_mode) == 0o700
    records.close()


def test_a_file_that_is_no_database_is_refused_in_our_words(tmp_path):
    path = tmp_path / DATABASE
    path.write_bytes(b"This is a text and no database, long enough to be looked at." * 20)
    with pytest.raises((RecordsUnavailable, Misconfigured)):
        SqliteRecords(path, clock=system_clock, checkpoints=False)


def test_ping_tells_an_empty_file_from_a_database(tmp_path):
    records = SqliteRecords(tmp_path / DATABASE, clock=system_clock, checkpoints=False)
    with pytest.raises(SchemaOld):
        records.ping()
    records.close()


def test_now_is_the_clock_that_was_handed_in(tmp_path):
    records = open_site(tmp_path, lambda: datetime(2026, 3, 1, 12, tzinfo=UTC))
    assert records.now() == datetime(2026, 3, 1, 12, tzinfo=UTC)
    records.close()


def test_more_readers_than_connections_wait_and_then_are_told(tmp_path):
    open_site(tmp_path, system_clock).close()
    records = SqliteRecords(tmp_path / DATABASE, clock=system_clock, checkpoints=False, readers=1, busy_seconds=0.2)
    reading, done = threading.Event(), threading.Event()

    def read(unit) -> None:
        reading.set()
        done.wait(20)

    reader = threading.Thread(target=records.read, args=(read,))
    reader.start()
    reading.wait(20)
    with pytest.raises(RecordsUnavailable):
        records.read(lambda unit: unit.site.get("a"))
    done.set()
    reader.join()
    assert records.read(lambda unit: unit.site.get("a")) is None
    records.close()


WRITER = """
import sys, pathlib, threading
from domain.clock import system_clock
from storage.records.sqlite import open_site
records = open_site(pathlib.Path(sys.argv[1]), system_clock)
def run(me):
    n = 0
    while True:
        records.write(lambda unit: unit.site.put(f"{me}-{n}", "x"))
        sys.stdout.write(f"{me}-{n}\\n")
        sys.stdout.flush()
        n += 1
for me in range(4):
    threading.Thread(target=run, args=(me,)).start()
"""


def test_nothing_that_was_answered_is_lost_when_the_process_is_killed(tmp_path):
    with subprocess.Popen(
        [sys.executable, "-c", WRITER, str(tmp_path / "site")], cwd=ROOT, stdout=subprocess.PIPE, text=True
    ) as writer:
        assert writer.stdout is not None
        answered = [writer.stdout.readline().strip() for _ in range(100)]
        writer.send_signal(signal.SIGKILL)
        answered += writer.stdout.read().split("\n")[:-1]
    records = open_site(tmp_path / "site", system_clock)
    missing = records.read(lambda unit: [name for name in answered if name and unit.site.get(name) is None])
    assert missing == []
    records.close()
