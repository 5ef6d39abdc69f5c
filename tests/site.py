"""What a test's site stands on: the embedded engines in its folder, or PostgreSQL and S3 on Ceph (``pytest --site``).

A site is found by its data folder: whoever opens the same folder again stands on the same database and the same store.
"""

from __future__ import annotations

import atexit
import os
import re
import secrets
import shutil
import sqlite3
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from datetime import datetime
from functools import cache
from pathlib import Path
from typing import Any, Protocol

from domain.clock import Clock
from domain.ids import BlobId
from storage import BlobStore, Records
from storage.blobs.memory import MemoryBlobStore
from storage.records.sqlite import DATABASE, open_site
from storage.records.upgrade import upgrade

SITE = "TEST_SITE"
"""The variable by which ``--site`` reaches workers and whatever else a test run starts."""
EMBEDDED, ENGINES = "embedded", "engines"


class Ground(Protocol):
    """The engines under one site."""

    @property
    def environment(self) -> dict[str, str]:
        """The settings that name them, beside ``BILAGA_DATA_DIR``."""

    def records(self, clock: Clock) -> Records:
        """The records, of a schema that is made."""

    def store(self) -> BlobStore:
        """A store for a site of one process."""

    def sealed(self, blob_id: BlobId) -> bytes:
        """A blob as it lies in the store."""

    def put_sealed(self, blob_id: BlobId, content: bytes | None) -> None:
        """Other bytes in the place of a blob, or nothing, past all our code."""

    def execute(self, statement: str, **values: str) -> None:
        """A statement on the rows, past all our code; parameters as in ``:name``."""

    def raw(self) -> Iterator[tuple[str, bytes]]:
        """Everything that is kept outside of the folder, by a name."""

    def rows(self) -> dict[str, list[str]]:
        """Every row of every table, as text."""

    def blobs(self) -> dict[str, int]:
        """Everything in the store, finished or not, by name and size."""

    def remove(self) -> None:
        """Take away what lies outside of the folder."""


def is_embedded() -> bool:
    """Whether this run is about the embedded engines."""
    return os.environ.get(SITE, EMBEDDED) == EMBEDDED


def ground(folder: Path) -> Ground:
    """The ground of the site in a data folder, made where there is none."""
    return _grounds().at(folder)


@contextmanager
def cleared() -> Iterator[None]:
    """Grounds that are made within are removed at the end."""
    with _grounds().cleared():
        yield


@contextmanager
def on_engines() -> Iterator[dict[str, str]]:
    """The settings of a new site on PostgreSQL and Ceph, whatever the run stands on; gone at the end."""
    with closing(Engines()) as engines, ExitStack() as stack:
        made = OnEngines(engines)
        stack.callback(made.remove)
        yield {name.removeprefix("BILAGA_"): value for name, value in made.environment.items()}


@contextmanager
def ended() -> Iterator[None]:
    """At the end there is no ground any more, and nothing of what they shared."""
    try:
        yield
    finally:
        _grounds().close()


class Embedded:
    """SQLite in the folder; blobs beside it, or in memory where no other process looks at them."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._memory = MemoryBlobStore()
        self.environment: dict[str, str] = {}

    def records(self, clock: Clock) -> Records:
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        if not (self._folder / DATABASE).exists():
            shutil.copy(_migrated(), self._folder / DATABASE)
        return open_site(self._folder, clock)

    def store(self) -> BlobStore:
        return self._memory

    def sealed(self, blob_id: BlobId) -> bytes:
        return self._memory._blobs[blob_id][0] if blob_id in self._memory._blobs else self._file(blob_id).read_bytes()

    def put_sealed(self, blob_id: BlobId, content: bytes | None) -> None:
        if blob_id in self._memory._blobs:
            _, at = self._memory._blobs.pop(blob_id)
            if content is not None:
                self._memory._blobs[blob_id] = (content, at)
            return
        path = self._file(blob_id)
        path.chmod(0o600)
        if content is None:
            path.unlink()
        else:
            path.write_bytes(content)

    def execute(self, statement: str, **values: str) -> None:
        with closing(sqlite3.connect(self._folder / DATABASE, timeout=10)) as connection, connection:
            connection.execute(statement, values)

    def raw(self) -> Iterator[tuple[str, bytes]]:
        return iter(())

    def _file(self, blob_id: BlobId) -> Path:
        (path,) = self._folder.glob(f"blobs/**/{blob_id}")
        return path

    def rows(self) -> dict[str, list[str]]:
        with closing(sqlite3.connect(f"file:{self._folder / DATABASE}?mode=ro", uri=True)) as connection:
            tables = [name for (name,) in connection.execute("SELECT name FROM sqlite_schema WHERE type = 'table'")]
            return {
                table: sorted(map(repr, connection.execute(f"SELECT * FROM {table}")))
                for table in tables
                if not table.startswith("sqlite_")
            }

    def blobs(self) -> dict[str, int]:
        blobs = self._folder / "blobs"
        return {str(path.relative_to(blobs)): path.stat().st_size for path in blobs.rglob("*") if path.is_file()}

    def remove(self) -> None:
        pass


class OnEngines:
    """A database of its own in PostgreSQL, and a prefix of its own in a bucket of Ceph's; the keys stay in the folder.

    ``engines``: what all of a process's sites share.
    """

    def __init__(self, engines: Engines) -> None:
        self._engines = engines
        self._stack = ExitStack()
        self._database = self._stack.enter_context(engines.databases.new())
        self._prefix = secrets.token_hex(8)
        self._storage = engines.server.url(engines.bucket, self._prefix)
        self.environment = {"BILAGA_DATABASE_URL": self._database, "BILAGA_STORAGE_URL": self._storage}

    def records(self, clock: Clock) -> Records:
        from storage.records.postgres import PostgresRecords

        class Timed(PostgresRecords):
            """Its clock is the site's, which a test moves: nodes and their database agree on the time."""

            def now(self) -> datetime:
                return clock()

        return Timed(self._database)

    def store(self) -> BlobStore:
        from storage.blobs.s3 import S3BlobStore

        made = S3BlobStore(self._storage, session=self._engines.server.session)
        self._stack.callback(made.close)
        return made

    def sealed(self, blob_id: BlobId) -> bytes:
        found: bytes = self._engines.server.client.get_object(**self._object(blob_id))["Body"].read()
        return found

    def put_sealed(self, blob_id: BlobId, content: bytes | None) -> None:
        client = self._engines.server.client
        if content is None:
            client.delete_object(**self._object(blob_id))
        else:
            client.put_object(**self._object(blob_id), Body=content)

    def execute(self, statement: str, **values: str) -> None:
        import psycopg

        with psycopg.connect(self._database) as connection:
            connection.execute(re.sub(r":(\w+)", r"%(\1)s", statement).encode(), values)

    def raw(self) -> Iterator[tuple[str, bytes]]:
        import psycopg
        from psycopg.sql import SQL, Identifier

        with psycopg.connect(self._database) as connection:
            for table in self._tables(connection):
                statement = SQL("COPY {} TO STDOUT (FORMAT binary)").format(Identifier(table))
                with connection.cursor() as cursor, cursor.copy(statement) as copied:
                    yield table, b"".join(copied)
        client, bucket = self._engines.server.client, self._engines.bucket
        for page in client.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=self._prefix):
            for one in page.get("Contents", []):
                yield one["Key"], client.get_object(Bucket=bucket, Key=one["Key"])["Body"].read()

    def rows(self) -> dict[str, list[str]]:
        import psycopg
        from psycopg.sql import SQL, Identifier

        with psycopg.connect(self._database) as connection:
            return {
                table: sorted(map(repr, connection.execute(SQL("SELECT * FROM {}").format(Identifier(table)))))
                for table in self._tables(connection)
            }

    def blobs(self) -> dict[str, int]:
        client, where = self._engines.server.client, {"Bucket": self._engines.bucket, "Prefix": self._prefix}
        found = {}
        for page in client.get_paginator("list_object_versions").paginate(**where):
            for one in page.get("Versions", []):
                found[one["Key"]] = one["Size"]
            for one in page.get("DeleteMarkers", []):
                found[f"{one['Key']} deleted"] = 0
        for page in client.get_paginator("list_multipart_uploads").paginate(**where):
            for one in page.get("Uploads", []):
                found[f"{one['Key']}.part"] = 0
        return {name.removeprefix(f"{self._prefix}/"): size for name, size in found.items()}

    def remove(self) -> None:
        self._stack.close()

    def _tables(self, connection: Any) -> list[str]:
        found = connection.execute("SELECT tablename FROM pg_tables WHERE schemaname = 'public'")
        return [table for (table,) in found.fetchall()]

    def _object(self, blob_id: BlobId) -> dict[str, str]:
        from storage.blobs.s3_place import parse_place

        return {"Bucket": self._engines.bucket, "Key": parse_place(self._storage).key(blob_id)}


class Engines:
    """The running engines, a database to copy from and a bucket: made once in a process."""

    def __init__(self) -> None:
        from tests.contract.blobs.buckets import Server
        from tests.contract.records.databases import databases_of_tests

        self._stack = ExitStack()
        self.databases = self._stack.enter_context(databases_of_tests())
        self.server = Server("ceph")
        self._stack.callback(self.server.clear)
        self.bucket = self.server.bucket("plain")

    def close(self) -> None:
        self._stack.close()


class Grounds:
    """All of a process's grounds, by folder."""

    def __init__(self) -> None:
        self._made: dict[Path, Ground] = {}
        self._engines: Engines | None = None

    def at(self, folder: Path) -> Ground:
        if folder not in self._made:
            self._made[folder] = Embedded(folder) if is_embedded() else OnEngines(self._shared())
        return self._made[folder]

    @contextmanager
    def cleared(self) -> Iterator[None]:
        before = set(self._made)
        try:
            yield
        finally:
            for folder in set(self._made) - before:
                self._made.pop(folder).remove()

    def close(self) -> None:
        for one in self._made.values():
            one.remove()
        self._made.clear()
        if self._engines is not None:
            self._engines.close()
            self._engines = None

    def _shared(self) -> Engines:
        self._engines = self._engines or Engines()
        return self._engines


@cache
def _grounds() -> Grounds:
    """The process's own: sites are made deep inside of tests, by whoever needs one, where no fixture reaches."""
    return Grounds()


@cache
def _migrated() -> Path:
    """An empty database of the present schema: made once, since migrating takes longer than most tests."""
    path = Path(tempfile.mkdtemp()) / DATABASE
    atexit.register(shutil.rmtree, path.parent)
    upgrade(path)
    return path
