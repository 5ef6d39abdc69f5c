"""Migrations on PostgreSQL: the same revisions, in one transaction, by one process at a time."""

from __future__ import annotations

import subprocess
import sys
import threading
from pathlib import Path

import psycopg
import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import create_engine

from storage.records import postgres_engine
from storage.records.postgres import PostgresRecords, upgrade
from storage.records.schema.metadata import METADATA
from storage.records.upgrade import HEAD, VERSION_TABLE, configuration

ROOT = Path(__file__).parents[3]


OURS_ALONE = {VERSION_TABLE, "commits"}
"""Tables that no store knows, and no move takes along."""
OPTIONS = {
    "version_table": VERSION_TABLE,
    "compare_type": True,
    "include_name": lambda name, kind, _: kind != "table" or name not in OURS_ALONE,
}
PARTS = (
    """SELECT 'column', table_name, column_name, data_type, character_maximum_length, is_nullable, collation_name,
    column_default FROM information_schema.columns WHERE table_schema = 'public'""",
    """SELECT 'constraint', conrelid::regclass::text, conname, pg_get_constraintdef(oid) FROM pg_constraint
    WHERE connamespace = 'public'::regnamespace""",
    "SELECT 'index', tablename, indexname, indexdef FROM pg_indexes WHERE schemaname = 'public'",
    """SELECT 'trigger', tgrelid::regclass::text, tgname, pg_get_triggerdef(oid) FROM pg_trigger
    WHERE NOT tgisinternal""",
    "SELECT 'function', proname, prosrc FROM pg_proc WHERE pronamespace = 'public'::regnamespace",
)


@pytest.fixture
def empty(databases):
    with databases.new("template0") as url:
        yield url


def version(url: str) -> str | None:
    with psycopg.connect(url) as person:
        row = person.execute(f"SELECT version_num FROM {VERSION_TABLE}").fetchone()
        return None if row is None else row[0]


def made_of(url: str) -> set[tuple]:
    """What a schema is made of, as PostgreSQL says it itself: columns, constraints, indexes, triggers, functions."""
    with psycopg.connect(url) as person:
        rows = {row for query in PARTS for row in person.execute(query)}
    return {row for row in rows if row[1] not in OURS_ALONE}


def test_a_new_database_gets_the_newest_schema_and_then_there_is_nothing_to_do(empty):
    assert upgrade(empty) is True
    assert version(empty) == HEAD
    assert upgrade(empty) is False


def test_the_migrated_schema_is_that_of_the_tables(url, empty):
    made = create_engine("postgresql+psycopg://", creator=lambda: psycopg.connect(url))
    with made.connect() as connection:
        context = MigrationContext.configure(connection, opts=OPTIONS)
        assert compare_metadata(context, METADATA) == []
    made.dispose()
    created = create_engine("postgresql+psycopg://", creator=lambda: psycopg.connect(empty))
    METADATA.create_all(created)
    created.dispose()
    assert made_of(url) == made_of(empty)
    assert len(made_of(empty)) > 200


def test_several_processes_may_migrate_at_once(empty):
    code = "import sys; from storage.records.postgres import upgrade; print(upgrade(sys.argv[1]))"
    made = [
        subprocess.Popen(
            [sys.executable, "-c", code, empty], cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )
        for _ in range(4)
    ]
    said = [process.communicate() for process in made]
    assert [process.returncode for process in made] == [0, 0, 0, 0], said
    assert sorted(out.strip() for out, _ in said) == ["False", "False", "False", "True"]
    assert version(empty) == HEAD


def test_a_migration_that_fails_leaves_nothing_of_itself_nor_of_those_before_it(url, tmp_path):
    before = made_of(url)
    (tmp_path / "9998_good.py").write_text(
        f"from alembic import op\nrevision = '9998'\ndown_revision = {HEAD!r}\n"
        "def upgrade():\n    op.execute('CREATE TABLE whole (n INTEGER)')\n"
    )
    (tmp_path / "9999_bad.py").write_text(
        "from alembic import op\nrevision = '9999'\ndown_revision = '9998'\n"
        "def upgrade():\n    op.execute('CREATE TABLE half (n INTEGER)')\n    raise OSError('power')\n"
    )
    engine = postgres_engine.engine(url, begin="BEGIN", connections=1)

    def migrate() -> None:
        with engine.begin() as connection:
            config = configuration(connection)
            script = Path(str(config.get_main_option("script_location")))
            config.set_main_option("path_separator", "newline")
            config.set_main_option("version_locations", f"{script / 'versions'}\n{tmp_path}")
            command.upgrade(config, "head")

    with pytest.raises(OSError, match="power"):
        migrate()
    engine.dispose()
    assert made_of(url) == before
    assert version(url) == HEAD


def test_a_migration_waits_for_the_writer_whose_turn_it_is_and_keeps_the_next_one_waiting(records, url, person):
    """A node of the release before may be serving: neither of them fails."""
    writing, gate = threading.Event(), threading.Event()

    def work(unit) -> None:
        writing.set()
        gate.wait(10)
        unit.site.put("a", "1")

    first = records.submit(work)
    writing.wait(10)
    person.execute("BEGIN")
    waiting = threading.Thread(target=person.execute, args=(postgres_engine.TURN,))
    waiting.start()
    with psycopg.connect(url, autocommit=True) as third:
        while not third.execute("SELECT 1 FROM pg_locks WHERE NOT granted").fetchone():
            pass
    assert not first.done()
    gate.set()
    first.result(10)
    waiting.join()
    second = records.submit(lambda unit: unit.site.put("a", "2"))
    assert records.read(lambda unit: unit.site.get("a")) == "1"  # readers wait for nobody
    person.execute("UPDATE schema_version SET version_num = version_num")
    assert not second.done()
    person.execute("COMMIT")
    second.result(10)


JOURNAL = (
    "INSERT INTO journal_entries (position, body, leaf, at, kind) "
    "VALUES (%s, '\\x7b7d', decode(repeat('00', 32), 'hex'), 1, 'k')"
)


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE journal_entries SET kind = 'x'",
        "DELETE FROM journal_entries",
        "TRUNCATE journal_entries",
        JOURNAL % 3,
        JOURNAL % 0,
        "UPDATE journal_checkpoints SET note = 'x'",
        "DELETE FROM journal_checkpoints",
        "TRUNCATE journal_checkpoints",
    ],
)
def test_the_journal_refuses_at_the_database_itself(person, statement):
    person.execute(JOURNAL % 0)
    person.execute(JOURNAL % 1)
    person.execute(
        "INSERT INTO journal_checkpoints (size, root, note, frontier, at) "
        "VALUES (2, decode(repeat('00', 32), 'hex'), 'n', decode(repeat('00', 64), 'hex'), 1)"
    )
    with pytest.raises(psycopg.errors.RaiseException, match=r"append-only|no gaps"):
        person.execute(statement)
    assert person.execute("SELECT count(*) FROM journal_entries").fetchone() == (2,)
    person.execute("UPDATE journal_checkpoints SET exported_at = 2")


def test_ids_sort_by_the_bytes_whatever_the_databases_language(databases):
    """Cursors are compared by the database, and merged by us."""
    with psycopg.connect(databases.url("postgres"), autocommit=True) as admin:
        name = f"{databases.template}_icu"
        admin.execute(
            f"CREATE DATABASE {name} TEMPLATE template0 LOCALE_PROVIDER icu ICU_LOCALE 'sv-SE' LOCALE 'C.UTF-8'"
        )
        try:
            made_url = databases.url(name)
            upgrade(made_url)
            with psycopg.connect(made_url, autocommit=True) as person:
                person.execute(
                    "INSERT INTO quotas "
                    "SELECT gen_random_uuid()::text, NULL, NULL, 0, 0, 0, 0 FROM generate_series(1, 2000)"
                )
            made = PostgresRecords(made_url)
            ids = [quota.owner_id for quota in made.read(lambda unit: list(unit.quotas.all()))]
            made.close()
            assert len(ids) == 2000
            assert ids == sorted(ids)
        finally:
            admin.execute(f"DROP DATABASE {name} WITH (FORCE)")


def test_destroyed_keys_leave_their_tables_pages(records, person):
    person.execute("CREATE EXTENSION pageinspect")
    person.execute("ALTER TABLE wrapped_keys SET (autovacuum_enabled = off)")
    person.execute(
        "INSERT INTO wrapped_keys SELECT 'owner' || n, 'attachment', 1, '\\xdeadbeef' FROM generate_series(1, 9) n"
    )
    person.execute("DELETE FROM wrapped_keys WHERE owner_id <> 'owner1'")
    person.execute("SELECT pg_stat_force_next_flush()")
    person.execute("SELECT 1")

    def tuples() -> int:
        query = "SELECT count(*) FROM heap_page_items(get_raw_page('wrapped_keys', 0)) WHERE lp_flags = 1"
        return person.execute(query).fetchone()[0]

    assert tuples() == 9
    records.tidy()
    assert tuples() == 1
