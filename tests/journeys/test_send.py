"""``bilaga send`` to a real service over a bad line: whatever breaks, the same command brings it to its end."""

from __future__ import annotations

import json
import random
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from threading import Thread
from typing import Any

import pytest

from client import Outcome, Step, What, send
from domain.errors import Gone, LinkUnknown
from tests.faults.proxy import Faults, Proxy
from tests.journeys.nodes import Node, two_nodes, until
from tests.journeys.service import BILAGA

MIB = 1 << 20
FILM = random.Random(11).randbytes(48 * MIB + 12345)
SECONDS = 60
SLOW = Faults(latency=0.01)
"""Some 6 MB/s: time enough to be ended in the middle."""


@dataclass
class Sender:
    """Somebody with files, behind a line of their own. ``url``: where the service is."""

    folder: Path
    url: str
    proxy: Proxy

    def __post_init__(self) -> None:
        (self.folder / "film.mov").write_bytes(FILM)

    def through(self, link: str) -> str:
        """The link, through the line."""
        return link.replace(self.url, self.proxy.url)

    def start(self, *arguments: str) -> subprocess.Popen[str]:
        environment = {"PATH": "/usr/bin:/bin", "HOME": str(self.folder), "LC_ALL": "C.UTF-8"}
        return subprocess.Popen(
            # A shell that starts this run in the background lets SIGINT be ignored, and that is handed down.
            ["env", "--default-signal=INT", BILAGA, "send", *arguments],
            cwd=self.folder,
            env=environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def run(self, *arguments: str, code: int = 0) -> Any:
        """What a run tells a machine."""
        process = self.start("--json", *arguments)
        said, told = process.communicate(timeout=SECONDS)
        assert process.returncode == code, (said, told)
        return json.loads(said)


@contextmanager
def service_behind_a_line(folder: Path) -> Iterator[tuple[Node, Proxy]]:
    """A service that answers for the name of a line to it as well."""
    node = Node(folder, "node")
    with Proxy(node.url) as proxy:
        node.environment["BILAGA_ALLOWED_HOSTS"] = f"127.0.0.1:{proxy.port}"
        node.start()
        try:
            yield node, proxy
        finally:
            proxy.heal()
            node.stop()


@pytest.fixture(scope="module")
def behind(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Node, Proxy]]:
    with service_behind_a_line(tmp_path_factory.mktemp("journey")) as both:
        yield both


@pytest.fixture
def service(behind: tuple[Node, Proxy]) -> Node:
    return behind[0]


@pytest.fixture
def sender(behind: tuple[Node, Proxy], tmp_path: Path) -> Iterator[Sender]:
    node, proxy = behind
    yield Sender(tmp_path, node.url, proxy)
    proxy.heal()


def link_of(service: Node, ref: str, **terms: Any) -> str:
    service.put_ticket(ref)
    return service.upload_link(ref, **terms)


def link_id(service: Node, ref: str) -> str:
    (known,) = service.as_("agent").get(f"/api/v1/tickets/{ref}/links").json()["links"]
    return str(known["id"])


def stored(service: Node, attachment: str) -> bytes:
    return service.as_("agent").get(f"/api/v1/attachments/{attachment}/content").body


def attachments(service: Node, ref: str) -> list[Any]:
    return list(service.as_("agent").get(f"/api/v1/tickets/{ref}/attachments").json()["attachments"])


def mid_way(process: subprocess.Popen[str]) -> None:
    """Wait until some of the film is on its way."""
    assert process.stderr is not None
    for line in process.stderr:
        if line.startswith("film.mov: 20 %"):
            return
    raise AssertionError("it ended before it was half way")


def test_files_come_to_one_receipt_that_bears_them_out(service: Node, sender: Sender) -> None:
    for number in range(5):
        (sender.folder / f"{number}.log").write_bytes(f"{number}\n".encode() * 1000)
    names = [f"{number}.log" for number in range(5)]
    said = sender.run("film.mov", *names, link_of(service, "S-1"))
    (receipt,) = said["receipts"]
    shown = service.anyone.with_headers(Accept="application/json").get(receipt).json()
    assert {row["name"] for row in shown["attachments"]} == {"film.mov", *names}
    assert all(one["verified"] and one["state"] == "available" for one in said["files"])
    assert stored(service, said["files"][0]["id"]) == FILM


def test_twenty_cuts_and_the_file_is_whole(service: Node, sender: Sender) -> None:
    steps: list[Step] = []
    sender.proxy.set(Faults(cut_up=2 * MIB, times=20))
    outcome = send(sender.through(link_of(service, "S-2")), [sender.folder / "film.mov"], progress=steps.append)
    (file,) = outcome.files
    assert (file.error, file.verified) == (None, True)
    assert sender.proxy.struck == 20
    offsets = [step.offset for step in steps if step.what is What.RESUMED]
    assert offsets == sorted(offsets)
    assert stored(service, file.id) == FILM


def test_a_stream_over_a_line_that_breaks(service: Node, sender: Sender) -> None:
    sender.proxy.set(Faults(cut_up=3 * MIB, times=6))
    process = subprocess.Popen(["cat", sender.folder / "film.mov"], stdout=subprocess.PIPE)
    outcome = send(sender.through(link_of(service, "S-3")), ["-"], stdin=process.stdout, stdin_name="film.mov")
    process.stdout.close()
    assert process.wait(SECONDS) == 0
    (file,) = outcome.files
    assert (file.error, file.verified, file.size) == (None, True, len(FILM))
    assert stored(service, file.id) == FILM


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGINT])
def test_a_killed_run_is_gone_on_with(service: Node, sender: Sender, how: signal.Signals) -> None:
    ref = f"S-{how.name}"
    link = sender.through(link_of(service, ref, max_files=1))
    sender.proxy.set(SLOW)
    process = sender.start("film.mov", link)
    mid_way(process)
    process.send_signal(how)
    _, told = process.communicate(timeout=SECONDS)
    assert process.returncode == (-signal.SIGKILL if how == signal.SIGKILL else 130), told
    sender.proxy.heal()
    said = sender.run("film.mov", link)
    (file,) = said["files"]
    assert (file["resumed"], file["verified"]) == (True, True)
    assert stored(service, file["id"]) == FILM
    assert len(attachments(service, ref)) == 1


def test_a_link_that_is_revoked_amid_a_file_ends_it_and_nothing_is_kept(service: Node, sender: Sender) -> None:
    link = link_of(service, "S-4")
    sender.proxy.set(SLOW)
    process = sender.start("film.mov", sender.through(link))
    mid_way(process)
    assert service.as_("agent").delete(f"/api/v1/links/{link_id(service, 'S-4')}").status == 204
    sender.proxy.cut()
    said, told = process.communicate(timeout=SECONDS)
    assert process.returncode == 1, (said, told)
    assert said == ""
    until(lambda: attachments(service, "S-4") == [], SECONDS)


def test_a_passcode_opens_the_way(service: Node, sender: Sender) -> None:
    link = link_of(service, "S-5", passcode="öppna sesam")
    (sender.folder / "code").write_text("öppna sesam\n", encoding="utf-8")
    (sender.folder / "small.txt").write_text("small")
    assert sender.run("--passcode-file", "code", "small.txt", link)["files"][0]["verified"]
    (sender.folder / "code").write_text("another one\n")
    said = sender.run("--passcode-file", "code", "film.mov", link, code=1)
    assert said["files"][0]["error"]["type"] == "passcode"


def test_what_the_link_does_not_take_is_told_and_the_rest_is_sent(service: Node, sender: Sender) -> None:
    (sender.folder / "small.txt").write_text("small")
    said = sender.run("film.mov", "small.txt", link_of(service, "S-6", max_bytes=MIB), code=1)
    refused, taken = said["files"]
    assert refused["error"]["type"] in {"too-large", "quota-exceeded"}
    assert taken["verified"]


def test_a_dead_link_is_told(service: Node, sender: Sender) -> None:
    link = link_of(service, "S-7")
    (file,) = send(link.replace("/u/", "/u/x"), [sender.folder / "film.mov"], patience=1).files
    assert isinstance(file.error, LinkUnknown)
    assert service.as_("agent").delete(f"/api/v1/links/{link_id(service, 'S-7')}").status == 204
    (file,) = send(link, [sender.folder / "film.mov"], patience=1).files
    assert isinstance(file.error, Gone)


def _further(steps: list[Step], size: int) -> None:
    """Wait until so much more is on its way."""
    begun = steps[-1].offset if steps else 0
    until(lambda: steps and steps[-1].offset > begun + size, SECONDS)


def test_a_service_that_is_killed_and_started_again_amid_a_file(tmp_path: Path) -> None:
    (tmp_path / "site").mkdir()
    with service_behind_a_line(tmp_path / "site") as (node, proxy):
        sender = Sender(tmp_path, node.url, proxy)
        link = sender.through(link_of(node, "S-8"))
        proxy.set(SLOW)
        results: list[Outcome] = []
        steps: list[Step] = []
        thread = Thread(
            target=lambda: results.append(send(link, [tmp_path / "film.mov"], progress=steps.append)), daemon=True
        )
        thread.start()
        for _ in range(2):
            _further(steps, 4 * MIB)
            node.kill()
            time.sleep(1)
            node.start()
        proxy.heal()
        thread.join(SECONDS)
        (file,) = results[0].files
        assert (file.error, file.verified) == (None, True)
        assert file.sha256 == sha256(FILM).hexdigest()
        assert stored(node, file.id) == FILM
        assert len(attachments(node, "S-8")) == 1


def test_two_nodes_of_which_each_dies_once_amid_a_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "film.mov").write_bytes(FILM)
    (tmp_path / "nodes").mkdir()
    with two_nodes(tmp_path / "nodes") as nodes:
        monkeypatch.setenv("SSL_CERT_FILE", str(nodes.front.folder / "site.pem"))
        link = link_of(nodes.one, "S-9")
        results: list[Outcome] = []
        steps: list[Step] = []

        def told(step: Step) -> None:
            steps.append(step)
            if step.what is What.SENDING:
                time.sleep(0.02)  # a line of some 3 MB/s

        thread = Thread(target=lambda: results.append(send(link, [tmp_path / "film.mov"], progress=told)), daemon=True)
        thread.start()
        for node in nodes.both:
            _further(steps, 4 * MIB)
            node.kill()
            node.start()
        thread.join(SECONDS)
        (file,) = results[0].files
        assert (file.error, file.verified) == (None, True)
        assert any(step.what is What.RESUMED for step in steps)
        assert stored(nodes.one, file.id) == FILM
        assert len(attachments(nodes.other, "S-9")) == 1
