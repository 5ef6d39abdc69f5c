"""A PostgreSQL for what is its own; what every engine promises is in contract/records."""

from __future__ import annotations

from collections.abc import Iterator

import psycopg
import pytest

from storage.records.postgres import PostgresRecords
from tests.contract.records.databases import Databases, databases_of_tests


@pytest.fixture(scope="session")
def databases() -> Iterator[Databases]:
    with databases_of_tests() as made:
        yield made


@pytest.fixture
def url(databases: Databases) -> Iterator[str]:
    """A migrated database of its own."""
    with databases.new() as made:
        yield made


@pytest.fixture
def person(url: str) -> Iterator[psycopg.Connection]:
    """Somebody at a prompt, who takes no turn."""
    with psycopg.connect(url, autocommit=True) as connection:
        yield connection


@pytest.fixture
def records(url: str) -> Iterator[PostgresRecords]:
    made = PostgresRecords(url)
    yield made
    made.close()
