"""The journal refuses at the database itself, whoever speaks to it."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

import pytest
from sqlalchemy import create_engine

from storage.records.schema.journal import journal_checkpoints, journal_entries
from storage.records.schema.metadata import METADATA
from storage.records.sqlite import DATABASE, open_site

INSERT = "INSERT INTO journal_entries (position, body, leaf, at, kind) VALUES (?, x'7b7d', zeroblob(32), 1, 'k')"
CHECKPOINT = (
    "INSERT INTO journal_checkpoints (size, root, note, frontier, at) VALUES (2, zeroblob(32), 'n', zeroblob(64), 1)"
)


def migrated(folder: Path) -> Path:
    open_site(folder, lambda: datetime(2026, 1, 1, tzinfo=UTC)).close()
    return folder / DATABASE


def created(folder: Path) -> Path:
    engine = create_engine(f"sqlite:///{folder / 'created.sqlite'}")
    METADATA.create_all(engine, tables=[journal_entries, journal_checkpoints])
    METADATA.create_all(engine, tables=[journal_entries, journal_checkpoints])  # again: nothing is made twice
    engine.dispose()
    return folder / "created.sqlite"


@pytest.fixture(params=[migrated, created])
def journal(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[sqlite3.Connection]:
    """Two entries and a checkpoint, however the schema came about."""
    with closing(sqlite3.connect(request.param(tmp_path), isolation_level=None)) as driver:
        driver.execute(INSERT, (0,))
        driver.execute(INSERT, (1,))
        driver.execute(CHECKPOINT)
        yield driver


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE journal_entries SET body = x'00' WHERE position = 0",
        "UPDATE journal_entries SET kind = 'other'",
        "DELETE FROM journal_entries WHERE position = 1",
        "DELETE FROM journal_entries",
        "UPDATE journal_checkpoints SET root = zeroblob(32)",
        "UPDATE journal_checkpoints SET note = 'other'",
        "DELETE FROM journal_checkpoints",
    ],
)
def test_nothing_written_is_changed_or_deleted(journal, statement):
    with pytest.raises(sqlite3.IntegrityError, match="append-only"):
        journal.execute(statement)
    assert journal.execute("SELECT count(*) FROM journal_entries").fetchone() == (2,)


@pytest.mark.parametrize("position", [-1, 0, 1, 3])
@pytest.mark.parametrize("how", ["INSERT", "INSERT OR REPLACE"])
def test_only_the_next_index_is_taken(journal, position, how):
    with pytest.raises(sqlite3.IntegrityError):
        journal.execute(INSERT.replace("INSERT", how, 1), (position,))
    journal.execute(INSERT, (2,))


def test_a_leaf_has_32_bytes(journal):
    with pytest.raises(sqlite3.IntegrityError, match="leaf"):
        journal.execute(INSERT.replace("zeroblob(32)", "zeroblob(31)"), (2,))


@pytest.mark.parametrize("body", ["zeroblob(0)", "zeroblob(65536)"])
def test_a_body_is_neither_empty_nor_longer_than_an_entry_may_be(journal, body):
    with pytest.raises(sqlite3.IntegrityError, match="body"):
        journal.execute(INSERT.replace("x'7b7d'", body), (2,))


def test_a_checkpoint_can_still_be_marked_exported(journal):
    journal.execute("UPDATE journal_checkpoints SET exported_at = 2")
    assert journal.execute("SELECT exported_at FROM journal_checkpoints").fetchone() == (2,)
