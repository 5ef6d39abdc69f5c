"""The restore drill (S-6, S-89): a backup is put back, and nothing that ended after it was made is there again."""

from __future__ import annotations

import json
import shutil
import sqlite3
import subprocess
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from domain.actor import SYSTEM
from domain.ids import PrincipalId
from storage.records.sqlite import DATABASE
from tests.journeys.service import BILAGA, Service

PURGED, ERASED, KEPT = b"purged by retention" * 99, b"erased by hand" * 99, b"kept" * 99

pytestmark = pytest.mark.embedded("puts the site's files back")


def back_up(service: Service, place: Path) -> None:
    """As ``docs/restore.md`` has it: the database by SQLite's own copy, then the store and the key file."""
    place.mkdir()
    with (
        closing(sqlite3.connect(service.data / DATABASE)) as database,
        closing(sqlite3.connect(place / DATABASE)) as to,
    ):
        database.backup(to)
    shutil.copytree(service.data / "blobs", place / "blobs")
    shutil.copy2(service.data / "bilaga.key", place)


def put_back(service: Service, place: Path) -> None:
    for path in service.data.glob(f"{DATABASE}*"):
        path.unlink()
    shutil.rmtree(service.data / "blobs")
    shutil.copytree(place, service.data, dirs_exist_ok=True)


def refused(service: Service) -> str:
    """What a service that does not start says."""
    done = subprocess.run(
        [BILAGA, "serve", "--port", "0"],
        env=service.environment | {"BILAGA_LOG_LEVEL": "error"},
        cwd=service.folder,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert (done.returncode, done.stdout) == (2, "")
    return done.stderr


def size(service: Service) -> int:
    with closing(sqlite3.connect(f"file:{service.data / DATABASE}?mode=ro", uri=True)) as database:
        return database.execute("SELECT count(*) FROM journal_entries").fetchone()[0]


@pytest.fixture
def service(tmp_path: Path) -> Iterator[Service]:
    running = Service(tmp_path, AUDIT_EXPORT=str(tmp_path / "second-place")).start()
    yield running
    running.process.kill()
    running.process.wait()
    running.process.stdout.close()


def path_of(link: str) -> str:
    """Without the port, which is another after each start."""
    return urlsplit(link).path


def listed(service: Service, ref: str) -> dict[str, Any]:
    found = service.as_("agent").get(f"/api/v1/tickets/{ref}/attachments")
    assert found.status == 200, found.body
    return {one["id"]: one for one in found.json()["attachments"]}


def test_a_restored_site_serves_nothing_that_had_ended(service: Service, tmp_path: Path) -> None:
    for ref in ("OLD", "HAND", "LIVE", "HELD"):
        service.put_ticket(ref, requester={"email": "asa@example.com"})
    purged, erased = service.attach("OLD", "gammal.txt", PURGED), service.attach("HAND", "fel.txt", ERASED)
    kept = service.attach("LIVE", "kvar.txt", KEPT)
    free, counted = service.download_link(kept), service.download_link(kept, max_downloads=1)
    revoked, upload = service.download_link(kept), service.upload_link("LIVE")
    lost_key = service.as_("auditor")
    with service.site() as site:
        person = site.records.read(lambda unit: unit.access.principals(after=None, limit=100))[-1].id
        hold = site.records.write(lambda unit: site.holds.place_on_ticket(unit, SYSTEM, "HAND", "Tvist", None))
        assert hold.created
    service.stop()
    back_up(service, tmp_path / "backup")

    # What the backup does not know of.
    service.start()
    admin, agent = service.as_("admin"), service.as_("agent")
    assert admin.delete("/api/v1/tickets/HAND/hold", json_body={"reason": "över"}).status in {200, 204}
    assert admin.delete(f"/api/v1/attachments/{erased}").status in {200, 204}
    service.put_ticket("OLD", status="closed", last_activity_at="2020-01-02T03:04:05Z")
    service.cli("purge")
    assert listed(service, "OLD")[purged]["state"] == "purged"
    assert service.as_("agent").get("/api/v1/tickets/OLD").json()["erased_at"]
    links = agent.get("/api/v1/tickets/LIVE/links").json()
    gone = [one["id"] for one in links["links"] if one["kind"] == "download"][-1]
    assert agent.delete(f"/api/v1/links/{gone}").status in {200, 204}
    assert service.anyone.get(path_of(revoked)).status == 410
    with service.site() as site:
        site.records.write(lambda unit: site.people.disable(unit, SYSTEM, PrincipalId(person)))
        site.records.write(lambda unit: site.holds.place_on_ticket(unit, SYSTEM, "HELD", "Tvist", None))
    assert lost_key.get("/api/v1/audit").status == 401
    certificate = listed(service, "OLD")[purged]["certificate"]
    service.stop()
    assert "purge.finished" in (tmp_path / "second-place").read_text()

    put_back(service, tmp_path / "backup")
    before = size(service)
    assert refused(service) == (
        "bilaga: This database is older than its audit log's second place: run `bilaga restore`.\n"
    )
    assert size(service) == before, "nothing is written before the restore is told of"
    said = service.cli("restore")
    assert "2 attachments erased again" in said
    assert "1 tickets erased again" in said
    assert "1 links revoked again" in said
    assert "1 links that count downloads revoked" in said
    assert "1 keys and people disabled again" in said
    assert "1 holds placed again" in said

    service.start()
    for attachment, ref in ((purged, "OLD"), (erased, "HAND")):
        assert service.as_("agent").get(f"/api/v1/attachments/{attachment}/content").status == 410
        assert listed(service, ref)[attachment]["state"] == "purged"
    old = service.as_("agent").get("/api/v1/tickets/OLD").json()
    assert (bool(old["erased_at"]), old["requester"]) == (True, None)
    assert listed(service, "LIVE")[kept]["state"] == "available"
    assert service.as_("agent").get(f"/api/v1/attachments/{kept}/content").body == KEPT
    for link in (revoked, counted):
        assert service.anyone.get(path_of(link)).status == 410
    for link in (free, upload):
        assert service.browser.get(path_of(link)).status == 200
    assert lost_key.get("/api/v1/audit").status == 401
    assert service.as_("agent").get("/api/v1/tickets/HELD").json()["retention"]["held"] is True
    service.stop()

    # The log went on under an origin of its own, from where the old one is known to have come.
    found = json.loads(service.cli("audit", "verify", "--json"))
    assert (found["intact"], found["restored"], found["signed"]) == (True, [before], found["entries"])
    service.cli("fsck", "--digests")
    export = tmp_path / "export.jsonl"
    export.write_text(service.cli("audit", "export") + "\n")
    service.cli("audit", "verify", "--file", str(export))
    entries = [json.loads(line).get("entry") or {} for line in export.read_text().splitlines()]
    told = next(one["facts"] for one in entries if one.get("kind") == "site.restored")
    assert told["origin"].startswith(told["old_origin"] + "/")
    assert told["old_size"] > before
    new = listed_certificate(entries, purged)
    assert new != certificate
    assert json.loads(service.cli("audit", "certificate", new))["facts"]["erased_before_by"] == certificate
    assert len([path for path in (service.data / "blobs").rglob("*") if path.is_file()]) == 1, "but the kept one's"

    # The same backup once more: the second place remembers both, and the newest is what counts.
    put_back(service, tmp_path / "backup")
    assert "run `bilaga restore`" in refused(service)
    assert "2 attachments erased again" in service.cli("restore")
    assert json.loads(service.cli("audit", "verify", "--json"))["intact"]
    service.cli("fsck", "--digests")
    service.start()
    service.stop()
    second = (tmp_path / "second-place").read_text()
    points = [tuple(json.loads(line)["note"].split("\n")[:3]) for line in second.splitlines()]
    assert len({point[:2] for point in points}) == len(points), "one root for each size of an origin (S-89)"
    assert len({origin for origin, _, _ in points}) == 3


def listed_certificate(entries: list[dict[str, Any]], attachment: str) -> str:
    finished = [one for one in entries if one.get("kind") == "purge.finished" and one["subject"] == attachment]
    return str(finished[-1]["facts"]["certificate_id"])


def test_without_a_second_place_a_restore_says_what_it_cannot_know(service: Service, tmp_path: Path) -> None:
    service.environment.pop("BILAGA_AUDIT_EXPORT")
    service.put_ticket("T")
    kept = service.attach("T")
    free, counted = service.download_link(kept), service.download_link(kept, max_downloads=2)
    service.stop()
    done = subprocess.run(
        [BILAGA, "restore"],
        env=service.environment | {"BILAGA_LOG_LEVEL": "info"},
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert done.stderr.startswith("AUDIT_EXPORT is not set: what was erased")
    service.start()
    assert service.anyone.get(path_of(counted)).status == 410
    assert service.browser.get(path_of(free)).status == 200
    service.stop()
    service.cli("audit", "verify")
