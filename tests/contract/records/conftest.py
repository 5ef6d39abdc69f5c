"""The engines that one suite is run for. A further engine is one more word here and one more way to make it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from storage.records import Records
from storage.records.postgres import PostgresRecords
from storage.records.sqlite import DATABASE, SqliteRecords, open_site
from tests.contract.records.databases import Databases, databases_of_tests
from tests.contract.records.given import T0

ENGINES = ("sqlite", "postgres")


class SettableClock:
    """Stands still until a test moves it."""

    def __init__(self, at: datetime) -> None:
        self.at = at

    def __call__(self) -> datetime:
        return self.at

    def move(self, by: timedelta) -> None:
        self.at += by


@pytest.fixture
def clock() -> SettableClock:
    return SettableClock(T0)


@pytest.fixture(scope="session")
def databases() -> Iterator[Databases]:
    with databases_of_tests() as made:
        yield made


@pytest.fixture(params=ENGINES)
def opened(request: pytest.FixtureRequest, tmp_path: Path, clock: SettableClock) -> Iterator[Callable[[], Records]]:
    """Opens the same database: first as the service does, then as commands or nodes beside it do. All are closed at
    the end."""
    with ExitStack() as stack:
        if request.param == "postgres":
            url = stack.enter_context(request.getfixturevalue("databases").new())
            yield lambda: _closing(stack, PostgresRecords(url))
        else:
            folder = tmp_path / "site"
            beside = iter(range(99))

            def open_sqlite() -> Records:
                first = next(beside) == 0
                made = (
                    open_site(folder, clock)
                    if first
                    else SqliteRecords(folder / DATABASE, clock=clock, checkpoints=False)
                )
                return _closing(stack, made)

            yield open_sqlite


def _closing(stack: ExitStack, records: Records) -> Records:
    stack.callback(records.close)
    return records


@pytest.fixture
def records(opened: Callable[[], Records]) -> Records:
    return opened()
