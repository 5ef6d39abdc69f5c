"""On which engines a run's sites stand, and which tests that concerns."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest
from hypothesis import settings

from tests.site import EMBEDDED, ENGINES, SITE, cleared, ended, is_embedded

# The same examples every time, so that what is red is red for a reason in the change; and a machine may be busy. New
# ones: pytest --hypothesis-profile=random, as make test-long does.
settings.register_profile("random", deadline=None)
settings.register_profile("same", deadline=None, derandomize=True)
settings.load_profile("same")

SITES = frozenset(
    {
        ("tests.crash.vault", "Vault"),
        ("tests.journeys.service", "Service"),
        ("tests.small_site", "PurgeSite"),
        ("tests.small_site", "SmallSite"),
        ("tests.transfers", "TransferSite"),
    }
)
"""The classes that are sites, by module and name."""


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--site",
        choices=(EMBEDDED, ENGINES),
        default=EMBEDDED,
        help="what sites stand on: SQLite, files and a key file, or PostgreSQL and S3 on Ceph; "
        "the latter runs only tests that use a site",
    )


def pytest_configure(config: pytest.Config) -> None:
    os.environ[SITE] = config.getoption("--site")


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    if is_embedded():
        return
    chosen = {item for item in items if uses_site(item) and item.get_closest_marker("embedded") is None}
    config.hook.pytest_deselected(items=[item for item in items if item not in chosen])
    items[:] = [item for item in items if item in chosen]


def pytest_sessionfinish(session: pytest.Session) -> None:
    """A selection of tests may have none that the engines concern."""
    if not is_embedded() and session.exitstatus == pytest.ExitCode.NO_TESTS_COLLECTED:
        session.exitstatus = pytest.ExitCode.OK


def uses_site(item: pytest.Item) -> bool:
    """Whether a test's module, or that of a fixture of its, knows a site."""
    fixtures = getattr(item, "_fixtureinfo", None)
    places = [getattr(item, "module", None).__dict__]
    for definitions in fixtures.name2fixturedefs.values() if fixtures else ():
        places += [definition.func.__globals__ for definition in definitions if hasattr(definition.func, "__globals__")]
    return any(
        (value.__module__, value.__name__) in SITES
        for place in places
        for value in place.values()
        if isinstance(value, type)
    )


@pytest.fixture(autouse=True, scope="session")
def _session_ended() -> Iterator[None]:
    with ended():
        yield


@pytest.fixture(autouse=True, scope="module")
def _module_cleared() -> Iterator[None]:
    with cleared():
        yield


@pytest.fixture(autouse=True)
def _cleared(_session_ended: None, _module_cleared: None) -> Iterator[None]:
    with cleared():
        yield
