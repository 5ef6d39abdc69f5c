"""The end of a service, and starts that must not be: draining, exit codes, wrong settings (contract, S-14, S-19)."""

from __future__ import annotations

import signal
import subprocess
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.corpus.files import noise
from tests.journeys.kept import kept
from tests.journeys.service import BILAGA, Service

CONTENT = noise(123, 6_000_000)


def refuses(service: Service, **settings: str) -> str:
    """Start what must not start; the one line it says."""
    done = subprocess.run(
        [BILAGA, "serve", "--port", "0"],
        env=service.environment | {f"BILAGA_{name}": value for name, value in settings.items()},
        cwd=service.folder,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 2, done
    lines = [line for line in done.stderr.splitlines() if not line.startswith("{")]
    assert len(lines) == 1, done.stderr
    assert "listening" not in done.stdout
    return lines[0]


def test_sigterm_lets_a_running_upload_and_a_running_download_finish(tmp_path: Path) -> None:
    service = Service(tmp_path).start()
    service.put_ticket("E-1")
    link, attachment = service.upload_link("E-1"), service.attach("E-1", "a.bin", CONTENT)
    agent = service.as_("agent")
    begun, go_on, sent = threading.Event(), threading.Event(), []

    def pieces() -> Iterator[bytes]:
        yield CONTENT[:2_000_000]
        begun.set()
        assert go_on.wait(30)
        yield CONTENT[2_000_000:]

    upload = threading.Thread(target=lambda: sent.append(service.anyone.put(f"{link}/put/b.bin", body=pieces())))
    upload.start()
    assert begun.wait(30)
    connection = service.connect()
    connection.request(
        "GET", f"/api/v1/attachments/{attachment}/content", headers={"Authorization": f"Bearer {service.key('agent')}"}
    )
    download = connection.getresponse()
    first = download.read(10_000)
    service.process.send_signal(signal.SIGTERM)
    until = time.monotonic() + 20
    while True:
        try:
            agent.get("/healthz")
        except ConnectionRefusedError:
            break  # nobody new is taken in
        assert time.monotonic() < until
        time.sleep(0.05)
    assert service.process.poll() is None
    go_on.set()
    upload.join(30)
    assert first + download.read() == CONTENT
    connection.close()
    assert [answer.status for answer in sent] == [201]
    service.stop()

    again = Service(tmp_path).start()
    again.keys = service.keys
    try:
        listed = again.as_("agent").get("/api/v1/tickets/E-1/attachments").json()["attachments"]
        assert {shown["id"] for shown in listed} == {attachment, sent[0].json()["id"]}
        assert again.as_("agent").get(f"/api/v1/attachments/{sent[0].json()['id']}/content").body == CONTENT
        assert again.cli("fsck", "--digests") == ""
        assert not [line for line in again.said if "signin" in line], "the first admin's link is for the first start"
    finally:
        again.stop()


def test_what_does_not_finish_in_time_is_cut_and_leaves_nothing(tmp_path: Path) -> None:
    service = Service(tmp_path, DRAIN_SECONDS="0.5").start()
    service.put_ticket("E-2")
    link = service.upload_link("E-2")
    before = kept(service.data)
    wire = service.wire()
    head = f"PUT {service.path(link)}/put/a.bin HTTP/1.1\r\nHost: {service.url[7:]}\r\nContent-Length: 5000000\r\n\r\n"
    wire.sendall(head.encode() + CONTENT[:2_000_000])
    until = time.monotonic() + 20
    while kept(service.data) == before:
        assert time.monotonic() < until
        time.sleep(0.02)
    service.stop()
    wire.close()
    assert kept(service.data) == before


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_an_idle_service_ends_at_once(tmp_path: Path, number: signal.Signals) -> None:
    service = Service(tmp_path).start()
    idle = service.connect()
    idle.request("GET", "/healthz")
    idle.getresponse().read()
    service.process.send_signal(number)
    assert service.process.wait(20) == 0
    idle.close()
    service.stop()


@pytest.mark.embedded("another node may serve a site on PostgreSQL")
def test_one_site_is_served_by_one_service(tmp_path: Path) -> None:
    service = Service(tmp_path).start()
    try:
        assert refuses(service).endswith("Another process already serves this data folder.")
        assert service.anyone.get("/healthz").status == 200
    finally:
        service.stop()


def test_a_lost_key_file_stops_the_start_and_no_new_one_is_made(tmp_path: Path) -> None:
    service = Service(tmp_path).start()
    service.stop()
    key = service.data / "bilaga.key"
    key.rename(tmp_path / "elsewhere.key")
    assert "key" in refuses(service)
    assert not key.exists()
    (tmp_path / "elsewhere.key").rename(key)
    key.chmod(0o644)
    assert "bilaga.key" in refuses(service)


@pytest.mark.parametrize(
    "settings, named",
    [
        ({"MAX_FILE_SIZE": "many"}, "MAX_FILE_SIZE"),
        ({"NO_SUCH_SETTING": "1"}, "NO_SUCH_SETTING"),
        ({"PUBLIC_URL": "ftp://x"}, "PUBLIC_URL"),
        ({"STORAGE_URL": "ftp://x/y"}, "STORAGE_URL"),
        ({"RETENTION__NO_SUCH_RULE": "P1Y"}, "RETENTION"),
        ({"POLICY__AGENT": "purge"}, "POLICY.AGENT"),
        ({"SMTP_URL": "smtp://127.0.0.1:25"}, "MAIL_FROM"),
        ({"SMTP_URL": "http://127.0.0.1:25", "MAIL_FROM": "a@b.example"}, "SMTP_URL"),
    ],
)
def test_a_wrong_setting_stops_the_start_with_one_line_that_names_it(tmp_path: Path, settings, named: str) -> None:
    service = Service(tmp_path)
    line = refuses(service, **settings)
    assert named in line.upper()


@pytest.mark.embedded("a bucket has no room that could run out")
def test_a_full_disk_refuses_before_the_body_and_harms_nothing_else(tmp_path: Path) -> None:
    service = Service(tmp_path, SPACE_RESERVE="1EiB").start()
    try:
        service.put_ticket("E-3")
        link = service.upload_link("E-3")
        before = kept(service.data)
        answer = service.anyone.put(f"{link}/put/a.txt", body=b"hej")
        assert (answer.status, answer.problem) == (507, "storage-full")
        assert answer.headers["Retry-After"]
        assert kept(service.data) == before
        assert service.anyone.get(link).status == 200
    finally:
        service.stop()
