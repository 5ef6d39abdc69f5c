"""A part of the service out of reach: 503 by its name, nothing kept, nothing lost, and well again by itself (S-85)."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, closing, contextmanager
from pathlib import Path

import pytest

from tests.journeys.service import Service

CONTENT = b"what was acknowledged before" * 1000

pytestmark = pytest.mark.embedded("takes files of the site away; test_engine_outages.py is about the big engines")


@contextmanager
def elsewhere(path: Path) -> Iterator[None]:
    """A folder or a file that is not where it was; a file in the place of a folder, so that nobody makes a new one."""
    away = path.with_name(path.name + ".away")
    folder = path.is_dir()
    path.rename(away)
    if folder:
        path.write_text("")
    try:
        yield
    finally:
        if folder:
            path.unlink()
        away.rename(path)


@contextmanager
def locked(database: Path) -> Iterator[None]:
    """A database that another process has locked against writers for longer than anybody waits."""
    with closing(sqlite3.connect(database, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        try:
            yield
        finally:
            other.execute("ROLLBACK")


OUTAGES: dict[str, Callable[[Service], AbstractContextManager[None]]] = {
    "store-unavailable": lambda service: elsewhere(service.data / "blobs"),
    "key-unavailable": lambda service: elsewhere(service.data / "bilaga.key"),
    "database-unavailable": lambda service: locked(service.data / "records.sqlite"),
}


@pytest.mark.parametrize("name", OUTAGES)
def test_an_outage_is_said_and_passes(tmp_path: Path, name: str) -> None:
    service = Service(tmp_path).start()
    try:
        service.put_ticket("O-1")
        link, attachment = service.upload_link("O-1"), service.attach("O-1", "kept.bin", CONTENT)
        agent = service.as_("agent")
        listed = "/api/v1/tickets/O-1/attachments"
        with OUTAGES[name](service):
            answer = service.anyone.put(f"{link}/put/lost.txt", body=b"hej")
            assert (answer.status, answer.problem) == (503, name)
            assert int(answer.headers["Retry-After"]) > 0
            read = agent.get(f"/api/v1/attachments/{attachment}/content")
            # A read is written down before its first byte, so that it waits for the database too.
            assert (read.status, read.problem) == (503, name)
            assert service.anyone.get("/healthz").status == 200
        assert agent.get(f"/api/v1/attachments/{attachment}/content").body == CONTENT
        assert service.anyone.put(f"{link}/put/again.txt", body=b"hej").status == 201
        names = sorted(one["name"] for one in agent.get(listed).json()["attachments"])
        assert names == ["again.txt", "kept.bin"]
        assert service.anyone.get("/readyz").status == 200
    finally:
        service.stop()
    service.cli("fsck")
