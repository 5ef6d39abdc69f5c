"""A real clamd behind the real service: what is infected, what is not known, and what happens while nobody can tell."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest

from domain.actor import EVERYTHING
from domain.attachment import AttachmentState, Scan
from domain.ids import AttachmentId
from tests.contract.scanner import daemon
from tests.journeys.kept import kept
from tests.journeys.service import Form, Service
from transfer.probes import EICAR, encrypted

API = "/api/v1"


@pytest.fixture(scope="module")
def clamd() -> Iterator[daemon.Daemon]:
    with daemon.clamd() as running:
        yield running


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory, clamd: daemon.Daemon) -> Iterator[Service]:
    running = Service(tmp_path_factory.mktemp("scanner"), CLAMD_URL=clamd.tcp, MAX_FILE_SIZE="4MiB").start()
    running.put_ticket("S-1")
    yield running
    running.stop()


def put_into(service: Service, attachment: str, state: AttachmentState, scan: Scan) -> None:
    """A row in a state that only an outage, or new signatures, bring about."""

    def work(unit: Any) -> None:
        row = unit.attachments.get(AttachmentId(attachment), EVERYTHING)
        unit.attachments.save(replace(row, state=state, scan=scan, version=row.version + 1))

    with service.site() as site:
        site.records.write(work)


def test_a_clean_file_says_so_everywhere(service: Service) -> None:
    link = service.upload_link("S-1")
    sent = service.anyone.put(f"{link}/put/a.txt", body=b"hej").json()
    receipt = service.anyone.get(sent["receipt_url"]).json()["attachments"][0]
    shown = service.as_("agent").get(f"{API}/attachments/{sent['id']}").json()
    assert (sent["state"], receipt["scan"], shown["scan"]) == ("available", "clean", "clean")
    assert "no malware scanner" not in "\n".join(service.said)


@pytest.mark.parametrize("way", ["form", "stream", "agent"])
def test_malware_is_refused_and_not_kept(service: Service, way: str) -> None:
    link = service.upload_link("S-1")
    before = kept(service.data)
    if way == "form":
        answer = service.anyone.post(link, form=Form.of(("ok.txt", b"hej"), ("virus.txt", EICAR)))
    elif way == "stream":
        answer = service.anyone.put(f"{link}/put/virus.txt", body=EICAR)
    else:
        answer = service.as_("agent").put(f"{API}/tickets/S-1/attachments/virus.txt", body=EICAR)
    assert (answer.status, answer.problem) == (422, "infected")
    assert kept(service.data) == before


def test_what_cannot_be_looked_into_is_kept_and_given_to_nobody(service: Service) -> None:
    """An encrypted archive is no malware, and not clean: quarantined, 403 (S-47)."""
    attachment = service.attach("S-1", "last.zip", encrypted())
    agent = service.as_("agent")
    shown = agent.get(f"{API}/attachments/{attachment}").json()
    assert (shown["state"], shown["scan"]) == ("quarantined", "unscannable")
    assert agent.get(f"{API}/attachments/{attachment}/content").problem == "quarantined"
    assert agent.post(f"{API}/attachments/{attachment}/download-links", json_body={}).problem == "quarantined"


def test_an_uploaders_file_gone_bad_is_refused_through_links_made_before(service: Service) -> None:
    attachment = service.attach("S-1")
    link = service.download_link(attachment, max_downloads=1)
    put_into(service, attachment, AttachmentState.QUARANTINED, Scan.INFECTED)
    assert service.anyone.post(link).problem == "quarantined"
    assert service.anyone.get(f"{link}/content").problem == "quarantined"
    assert service.anyone.get(link).json()["downloads_left"] == 1


def test_what_was_put_off_is_scanned_by_itself(service: Service) -> None:
    attachment = service.attach("S-1")
    put_into(service, attachment, AttachmentState.SCANNING, Scan.PENDING)
    agent, until = service.as_("agent"), time.monotonic() + 40
    while agent.get(f"{API}/attachments/{attachment}").json()["state"] == "scanning":
        assert time.monotonic() < until, "the job did not scan it"
        time.sleep(0.2)
    assert agent.get(f"{API}/attachments/{attachment}/content").body == b"hej"
    assert agent.get(f"{API}/attachments/{attachment}").json()["scan"] == "clean"


def test_while_nobody_can_tell_nothing_new_is_taken_or_given(clamd: daemon.Daemon, tmp_path) -> None:
    with daemon.clamd_with(clamd, {}) as own:
        service = Service(tmp_path, CLAMD_URL=own.tcp, MAX_FILE_SIZE="4MiB").start()
        service.put_ticket("S-2")
        link, attachment, waiting = service.upload_link("S-2"), service.attach("S-2"), service.attach("S-2")
        download = service.download_link(waiting, max_downloads=1)
        assert service.anyone.get("/readyz").json()["checks"]["scanner"] == "ok"
    try:
        before = kept(service.data)
        answer = service.anyone.put(f"{link}/put/a.txt", body=b"hej")
        assert (answer.status, answer.problem) == (503, "scanner-unavailable")
        assert answer.headers["Retry-After"]
        assert kept(service.data) == before
        put_into(service, waiting, AttachmentState.SCANNING, Scan.PENDING)
        agent = service.as_("agent")
        for answer in (
            agent.get(f"{API}/attachments/{waiting}/content"),
            service.anyone.get(f"{download}/content"),
            service.anyone.post(download),
        ):
            assert (answer.status, answer.problem) == (409, "not-ready")
            assert answer.headers["Retry-After"]
        assert service.anyone.get(download).json()["downloads_left"] == 1
        assert agent.get(f"{API}/attachments/{attachment}/content").body == b"hej", "what was clean stays so"
        time.sleep(1.1)  # dependencies are asked once a second
        ready = service.anyone.get("/readyz")
        assert (ready.status, ready.json()["checks"]["scanner"]) == (503, "failing")
        assert service.anyone.get("/healthz").status == 200
    finally:
        service.stop()
