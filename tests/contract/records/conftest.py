"""The engines that one suite is run for. A further engine is one more word here and one more way to make it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from storage.records import Records
from storage.records.sqlite import DATABASE, SqliteRecords, open_site
from tests.contract.records.given import T0

ENGINES = ("sqlite",)


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


@pytest.fixture(params=ENGINES)
def opened(request: pytest.FixtureRequest, tmp_path: Path, clock: SettableClock) -> Iterator[Callable[[], Records]]:
    """Opens the same database: first as the service does, then as commands beside it do. All are closed at the end."""
    folder = tmp_path / "site"
    made: list[Records] = []

    def open_it() -> Records:
        beside = SqliteRecords(folder / DATABASE, clock=clock, checkpoints=False) if made else None
        made.append(beside or open_site(folder, clock))
        return made[-1]

    yield open_it
    for records in made:
        records.close()


@pytest.fixture
def records(opened: Callable[[], Records]) -> Records:
    return opened()
