"""Databases in the PostgreSQL that ``make engines`` starts: one a test, copied from a migrated one, and dropped."""

from __future__ import annotations

import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from urllib.parse import urlsplit, urlunsplit

import psycopg
import pytest
from psycopg import sql

from storage.records.postgres import upgrade


class Databases:
    """Makes databases beside the one that ``TEST_POSTGRES_URL`` names, whose role may do so."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._admin = psycopg.connect(url, autocommit=True)
        self.template = f"bilaga_template_{secrets.token_hex(6)}"

    def migrate(self) -> None:
        self.execute("CREATE DATABASE {}", self.template)
        upgrade(self.url(self.template))

    def url(self, name: str) -> str:
        return urlunsplit(urlsplit(self._url)._replace(path=f"/{name}"))

    def execute(self, statement: str, *names: str) -> None:
        self._admin.execute(sql.SQL(statement).format(*map(sql.Identifier, names)))

    @contextmanager
    def new(self, template: str | None = None) -> Iterator[str]:
        """The URL of a database of its own: migrated, or a copy of another template."""
        name = f"bilaga_test_{secrets.token_hex(6)}"
        self.execute("CREATE DATABASE {} TEMPLATE {} STRATEGY file_copy", name, template or self.template)
        try:
            yield self.url(name)
        finally:
            self.execute("DROP DATABASE {} WITH (FORCE)", name)

    def close(self) -> None:
        self.execute("DROP DATABASE IF EXISTS {}", self.template)
        self._admin.close()


@contextmanager
def databases_of_tests() -> Iterator[Databases]:
    url = os.environ.get("TEST_POSTGRES_URL")
    if url is None:
        pytest.fail("TEST_POSTGRES_URL is not set: `make engines` starts a PostgreSQL for the tests", pytrace=False)
    made = Databases(url)
    try:
        made.migrate()
        yield made
    finally:
        made.close()
