"""`bilaga move` as an operator does it: what is printed, where, and with which exit code."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path
from typing import Any

import pytest

from tests.journeys.service import BILAGA, Form, Service
from tests.moving import settings_file


@pytest.fixture
def old(tmp_path: Path) -> Service:
    """A site with a file and an upload link, stopped."""
    (tmp_path / "old").mkdir()
    service = Service(tmp_path / "old").start()
    service.put_ticket("T-1", subject="Läckan")
    return service


@pytest.fixture
def quiet(tmp_path: Path) -> Service:
    """A site that was never served: commands made it."""
    (tmp_path / "old").mkdir()
    service = Service(tmp_path / "old")
    service.cli("db", "upgrade")
    service.cli("ticket", "put", "T-1")
    return service


def run(service: Service, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [BILAGA, *arguments],
        env=service.environment | {"BILAGA_LOG_LEVEL": "info"},
        cwd=service.folder,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


TUS = {"Tus-Resumable": "1.0.0", "Content-Type": "application/offset+octet-stream"}
PIECES = b"one " * 1000, b"two " * 1000


def half_sent(service: Service, link: str) -> str:
    """An upload in pieces whose second one is still to come; its address."""
    size = str(sum(map(len, PIECES)))
    made = service.anyone.post(
        f"{link}/files", headers=TUS | {"Upload-Length": size, "Upload-Metadata": "name YS50eHQ="}
    )
    sent = service.anyone("PATCH", made.headers["Location"], body=PIECES[0], headers=TUS | {"Upload-Offset": "0"})
    assert sent.status == 204
    return str(made.headers["Location"])


def assert_it_goes_on(service: Service, path: str) -> None:
    """Where the site went, from the byte that was acknowledged where it was."""
    offset = service.anyone("HEAD", path, headers=TUS).headers["Upload-Offset"]
    assert offset == str(len(PIECES[0]))
    assert service.anyone("PATCH", path, body=PIECES[1], headers=TUS | {"Upload-Offset": offset}).status == 204
    listed = service.as_("agent").get("/api/v1/tickets/T-1/attachments").json()["attachments"]
    (one,) = [row for row in listed if row["name"] == "a.txt"]
    content = service.as_("agent").get(f"/api/v1/attachments/{one['id']}/content")
    assert content.body == b"".join(PIECES)


def at(folder: Path, old: Service) -> Service:
    """The service where the site went: on the embedded engines, whatever this run is about."""
    made = Service(folder)
    made.environment = {k: v for k, v in made.environment.items() if not k.endswith("_URL")}
    made.keys, made.secrets = old.keys, old.secrets
    return made


def test_an_operator_moves_a_site_and_its_people_notice_nothing(old, tmp_path):
    sent = old.attach("T-1", "fil å.txt", b"hej " * 1000)
    upload = old.upload_link("T-1")
    begun = half_sent(old, upload)
    (tmp_path / "new").mkdir()
    new = at(tmp_path / "new", old)
    file = settings_file(tmp_path / "there.toml", data_dir=str(new.data))
    served = run(old, "move", "--to", str(file))
    assert (served.returncode, served.stdout) == (2, "")
    assert len(served.stderr.splitlines()) == 1
    old.stop()
    done = run(old, "move", "--to", str(file), "--json")
    assert done.returncode == 0, done.stderr
    said: dict[str, Any] = json.loads(done.stdout)
    assert said["complete"]
    assert (said["blobs"]["copied"], said["blobs"]["faults"], said["tables"]["attachments"]["rows"]) == (2, [], 2)
    assert run(old, "move", "--to", str(file)).stdout.startswith("moved already")
    for command in (("serve", "--port", "0"), ("ticket", "put", "T-2")):
        refused = run(old, *command)
        assert (refused.returncode, refused.stdout) == (2, "")
        assert "This site was moved to " in refused.stderr
        assert len(refused.stderr.splitlines()) == 1
    new.start()
    answer = new.as_("agent").get(f"/api/v1/attachments/{sent}/content")
    assert (answer.status, answer.body) == (200, b"hej " * 1000)
    path = upload.removeprefix(old.url)
    form = Form.of(("mer.txt", b"mer"))
    assert new.anyone.post(path, form=form).status in {201, 303}
    assert_it_goes_on(new, begun.removeprefix(old.url))
    assert new.cli("audit", "verify").startswith("intact")
    new.stop()
    assert run(new, "fsck", "--digests").returncode == 0


def test_a_damaged_file_is_named_and_the_site_stays(old, tmp_path):
    old.attach("T-1", "a.txt", b"a" * 5000)
    with old.site() as site:
        row = site.records.read(lambda unit: next(unit.inventory.all()))
        site.blobs.delete(row.blob_id)
    old.stop()
    file = settings_file(tmp_path / "there.toml", data_dir=str(tmp_path / "new"))
    done = run(old, "move", "--to", str(file))
    assert (done.returncode, done.stdout) == (5, "")
    assert f"damaged: {row.id}" in done.stderr
    assert "NOT moved" in done.stderr
    assert run(old, "ticket", "put", "T-2").returncode == 0
    done = run(old, "move", "--to", str(file), "--accept-damaged")
    assert done.returncode == 0
    assert done.stdout.startswith("moved: ")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("nonsense = 1", "unknown setting"),
        ('database_url = "mysql://x/y"', "no engine of ours"),
        ('storage_url = "s3:/x"', "STORAGE_URL"),
        ("= 1", "there.toml"),
    ],
)
def test_wrong_settings_of_the_target_are_one_line(quiet, tmp_path, text, said):
    file = tmp_path / "there.toml"
    file.write_text(f"{text}\ndata_dir = {json.dumps(str(tmp_path / 'new'))}\n")
    os.chmod(file, 0o600)
    done = run(quiet, "move", "--to", str(file))
    assert (done.returncode, done.stdout) == (2, "")
    assert len(done.stderr.splitlines()) == 1
    assert said in done.stderr
    assert run(quiet, "ticket", "put", "T-2").returncode == 0


def test_a_file_that_is_not_there_is_wrong_use(quiet, tmp_path):
    assert run(quiet, "move", "--to", str(tmp_path / "nothing.toml")).returncode == 2
    assert run(quiet, "move").returncode == 2
