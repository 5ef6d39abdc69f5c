from __future__ import annotations

import re
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, Table, create_engine

from domain.errors import Misconfigured, SchemaOld
from storage.records import pragmas
from storage.records.schema import access, connectors, core, jobs, journal, keys, links, mail, policies, uploads
from storage.records.schema.metadata import METADATA
from storage.records.upgrade import HEAD, REVISIONS, VERSION_TABLE, check_version, configuration, upgrade

ROOT = Path(__file__).parents[3]
SUBJECTS = (access, connectors, core, jobs, journal, keys, links, mail, policies, uploads)


@contextmanager
def connected(path: Path) -> Iterator[Connection]:
    engine = pragmas.engine(path, writing=True, connections=1, busy_seconds=5)
    with engine.connect() as connection:
        yield connection
    engine.dispose()


def version(path: Path) -> str | None:
    with closing(sqlite3.connect(path)) as driver:
        row = driver.execute(f"SELECT version_num FROM {VERSION_TABLE}").fetchone()
        return None if row is None else str(row[0])


def statements(path: Path) -> set[str]:
    """What the schema is made of, as SQLite keeps it; the lines of a table in the order of their text."""
    with closing(sqlite3.connect(path)) as driver:
        rows = driver.execute("SELECT sql FROM sqlite_master WHERE sql IS NOT NULL AND tbl_name <> ?", (VERSION_TABLE,))
        return {
            "\n".join(sorted(line.strip(" \t,") for line in re.split(r"\n|, (?=\w+ [A-Z]+)", sql))) for (sql,) in rows
        }


def test_a_new_file_gets_the_newest_schema_and_then_there_is_nothing_to_do(tmp_path):
    path = tmp_path / "site" / "records.sqlite"
    assert upgrade(path) is True
    assert version(path) == HEAD
    assert upgrade(path) is False


def test_the_revisions_this_program_knows_are_those_in_the_folder_in_order(tmp_path):
    with connected(tmp_path / "x.sqlite") as connection:
        script = ScriptDirectory.from_config(configuration(connection))
    assert script.get_heads() == [HEAD]
    assert tuple(revision.revision for revision in script.walk_revisions())[::-1] == REVISIONS


def test_the_migrated_schema_is_that_of_the_tables(tmp_path):
    migrated, made = tmp_path / "migrated.sqlite", tmp_path / "made.sqlite"
    upgrade(migrated)
    with connected(migrated) as connection:
        context = MigrationContext.configure(connection, opts={"version_table": VERSION_TABLE, "compare_type": True})
        assert compare_metadata(context, METADATA) == []
    engine = create_engine(f"sqlite:///{made}")
    METADATA.create_all(engine)
    engine.dispose()
    assert statements(migrated) == statements(made)
    assert len(statements(made)) > 40


def test_no_table_is_outside_the_one_metadata():
    tables = {thing.name for subject in SUBJECTS for thing in vars(subject).values() if isinstance(thing, Table)}
    assert tables == set(METADATA.tables)


def test_a_newer_schema_is_refused(tmp_path):
    path = tmp_path / "records.sqlite"
    upgrade(path)
    with closing(sqlite3.connect(path)) as driver, driver:
        driver.execute(f"UPDATE {VERSION_TABLE} SET version_num = '9999'")
    with pytest.raises(Misconfigured, match="newer"):
        upgrade(path)
    assert version(path) == "9999"


def test_only_the_newest_known_schema_is_good_enough():
    check_version(HEAD)
    with pytest.raises(SchemaOld, match="upgrade"):
        check_version(None)
    with pytest.raises(SchemaOld, match="newer"):
        check_version("9999")
    for known in REVISIONS:
        if known != HEAD:
            with pytest.raises(SchemaOld, match="upgrade"):
                check_version(known)


def test_a_migration_that_fails_leaves_nothing_of_itself_nor_of_those_before_it(tmp_path):
    path = tmp_path / "records.sqlite"
    upgrade(path)
    before = statements(path)
    (tmp_path / "versions").mkdir()
    (tmp_path / "versions" / "9998_good.py").write_text(
        f"from alembic import op\nrevision = '9998'\ndown_revision = {HEAD!r}\n"
        "def upgrade():\n    op.execute('CREATE TABLE whole (n INTEGER)')\n"
    )
    (tmp_path / "versions" / "9999_bad.py").write_text(
        "from alembic import op\nrevision = '9999'\ndown_revision = '9998'\n"
        "def upgrade():\n    op.execute('CREATE TABLE half (n INTEGER)')\n    raise OSError('power')\n"
    )
    with connected(path) as connection:
        config = configuration(connection)
        script = Path(str(config.get_main_option("script_location")))
        config.set_main_option("path_separator", "newline")
        config.set_main_option("version_locations", f"{script / 'versions'}\n{tmp_path / 'versions'}")
        with pytest.raises(OSError, match="power"):
            command.upgrade(config, "head")
    assert statements(path) == before
    assert version(path) == HEAD


def test_there_is_no_way_back(tmp_path):
    path = tmp_path / "records.sqlite"
    upgrade(path)
    with connected(path) as connection, pytest.raises(RuntimeError, match="forward"):
        command.downgrade(configuration(connection), "base")
    assert version(path) == HEAD


def test_several_processes_may_make_the_same_file_at_once(tmp_path):
    code = "import sys, pathlib; from storage.records.upgrade import upgrade; upgrade(pathlib.Path(sys.argv[1]))"
    path = tmp_path / "records.sqlite"
    made = [
        subprocess.Popen([sys.executable, "-c", code, str(path)], cwd=ROOT, stderr=subprocess.PIPE) for _ in range(4)
    ]
    errors = [process.communicate()[1] for process in made]
    assert [process.returncode for process in made] == [0, 0, 0, 0], errors
    assert version(path) == HEAD


def test_where_nothing_is_to_be_done_alembic_is_not_even_imported(tmp_path):
    path = tmp_path / "records.sqlite"
    upgrade(path)
    code = (
        "import sys, pathlib; from domain.clock import system_clock; from storage.records.sqlite import open_site\n"
        "records = open_site(pathlib.Path(sys.argv[1]), system_clock); records.ping(); records.close()\n"
        "assert 'alembic' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code, str(tmp_path)], cwd=ROOT, check=True)
