"""A whole site on a store that answers wrong: nothing is acknowledged that is not there, and no wrong byte goes out."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from contextlib import ExitStack

import pytest

from domain.event import EventKind
from tests.crash.vault import PATIENCE, Answer, Vault, inside
from tests.faults import answers
from tests.faults.answers import Answers, Fault, Match, of
from tests.faults.shared import SharedSite

pytestmark = [
    pytest.mark.slow,
    pytest.mark.timeout(300),
    pytest.mark.xdist_group("store-answers"),
    pytest.mark.embedded("stands on engines of its own, behind a proxy"),
]
SMALL, LARGE = b"in one request\n" * 1000, b"in parts\n" * 2_200_000
COMPLETE, PART = of("POST", query="uploadId"), of("PUT", query="partNumber")
PUT, GET = of("PUT", without="partNumber"), of("GET", without="uploads")
ONCE: dict[str, tuple[Match, Fault]] = {
    "500 to a put": (PUT, answers.refused(500, "InternalError")),
    "503 to a put": (PUT, answers.refused(503, "SlowDown")),
    "503 to a part": (PART, answers.refused(503, "SlowDown")),
    "200 and an error to the completion": (COMPLETE, answers.error_in_success()),
    "500 to a completion that happened": (COMPLETE, answers.denied_although_done(500, "InternalError")),
    "500 to a put that happened": (PUT, answers.denied_although_done(500, "InternalError")),
}
ALWAYS: dict[str, tuple[Match, Fault]] = {
    "500 to everything": (answers.anything, answers.refused(500, "InternalError")),
    "503 to everything": (answers.anything, answers.refused(503, "SlowDown")),
    "another byte in each put": (PUT, answers.corrupted_request),
    "another byte in each part": (PART, answers.corrupted_request),
    "200 and an error to each completion": (COMPLETE, answers.error_in_success()),
}
READS: dict[str, tuple[Fault, set[int]]] = {
    "cut off": (answers.truncated, {503}),
    "too short": (answers.short_and_proud, {503}),
    "503": (answers.refused(503, "SlowDown"), {503}),
    "another byte": (answers.corrupted_answer, {500}),
}


class Doubtful:
    """A serving node, and what stands between it and its store."""

    def __init__(self, site: SharedSite, between: Answers) -> None:
        self.site, self.between = site, between
        self.node: Vault = site.nodes[0]
        self.node.start()
        self.tickets: dict[str, dict[str, bytes]] = {}
        self.made = self.damaged = 0

    def ticket(self) -> str:
        """A new one."""
        self.made += 1
        ref = f"D-{self.made}"
        self.node.ticket(ref)
        self.tickets[ref] = {}
        return ref

    def send(self, ref: str, content: bytes) -> Answer:
        """Send a file, and remember it where it is acknowledged."""
        answer = self.node.put(ref, f"{time.monotonic_ns()}.bin", content)
        if answer.status == 201:
            self.tickets[ref][answer.json["id"]] = content
        return answer

    def send_at_last(self, ref: str, content: bytes) -> str:
        """By itself all is well again."""
        end = time.monotonic() + PATIENCE
        while (answer := self.send(ref, content)).status != 201:
            assert answer.status == 503, answer
            assert time.monotonic() < end, answer
            time.sleep(0.3)
        return str(answer.json["id"])


@pytest.fixture(scope="module")
def doubtful(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Doubtful]:
    with ExitStack() as stack:
        between = stack.enter_context(Answers(os.environ["TEST_CEPH_URL"]))
        folder = tmp_path_factory.mktemp("doubtful")
        yield Doubtful(stack.enter_context(SharedSite(folder, through={"TEST_CEPH_URL": between.url})), between)


@pytest.mark.parametrize("name", ONCE)
def test_what_goes_wrong_once_is_not_even_noticed(doubtful: Doubtful, name: str) -> None:
    ref = doubtful.ticket()
    met = 0
    for content in (SMALL, LARGE):
        doubtful.between.set(*ONCE[name], times=1)
        assert doubtful.send(ref, content).status == 201
        met += doubtful.between.clear()
    assert met > 0
    doubtful.node.assert_holds(ref, doubtful.tickets[ref])


@pytest.mark.parametrize("name", ALWAYS)
def test_what_keeps_going_wrong_is_said_and_nothing_is_kept(doubtful: Doubtful, name: str) -> None:
    ref = doubtful.ticket()
    doubtful.between.set(*ALWAYS[name])
    found = [doubtful.send(ref, content) for content in (SMALL, LARGE)]
    assert doubtful.between.clear() > 0
    assert {one.status for one in found} <= {201, 503}
    refused = [one for one in found if one.status == 503]
    assert {one.json["type"] for one in refused} == {"urn:bilaga:problem:store-unavailable"}
    assert all(int(one.headers["retry-after"]) > 0 for one in refused)
    doubtful.send_at_last(ref, SMALL)
    doubtful.node.assert_holds(ref, doubtful.tickets[ref])


@pytest.mark.parametrize("name", READS)
def test_no_wrong_byte_goes_out(doubtful: Doubtful, name: str) -> None:
    fault, expected = READS[name]
    ref = doubtful.ticket()
    attachment = doubtful.send_at_last(ref, LARGE)
    doubtful.between.set(GET, fault)
    read = doubtful.node.read(attachment)
    assert doubtful.between.clear() > 0
    assert read.status in expected, read
    if 500 in expected:
        # What came was not what was stored, so it counts as damaged until somebody has looked; the evidence is kept.
        doubtful.damaged += 1
        assert doubtful.node.events(EventKind.INTEGRITY_FAILED, attachment)
        del doubtful.tickets[ref]
        return
    end = time.monotonic() + PATIENCE
    while doubtful.node.read(attachment).status == 503:
        assert time.monotonic() < end
        time.sleep(0.3)
    doubtful.node.assert_holds(ref, doubtful.tickets[ref])


def test_a_full_store_is_said_and_purge_goes_on(doubtful: Doubtful) -> None:
    ref = doubtful.ticket()
    due = doubtful.ticket()
    gone = doubtful.send_at_last(due, SMALL)
    doubtful.between.set(of("PUT"), answers.refused(403, "QuotaExceeded"))
    full = doubtful.send(ref, SMALL)
    assert (full.status, full.json["type"]) == (507, "urn:bilaga:problem:storage-full")
    doubtful.node.age(due)
    purged = doubtful.node.ask("POST", "/retention/purge", {}, key=doubtful.node.admin)
    assert (purged.status, purged.json["purged"]) == (200, 1), purged
    doubtful.node.assert_gone(gone)
    del doubtful.tickets[due]
    assert doubtful.between.clear() > 0
    doubtful.send_at_last(ref, SMALL)


def test_at_the_end_everything_acknowledged_is_there_and_nothing_else(doubtful: Doubtful) -> None:
    kept = 0
    for ref, files in doubtful.tickets.items():
        doubtful.node.assert_holds(ref, files)
        kept += len(files)
    doubtful.node.stop()
    doubtful.node.assert_sound()
    with inside(doubtful.node) as site:
        site.recovery.delete_orphans(site.clock())  # what the store could not be told, a day early
    assert doubtful.site.parts() == []
    assert len(doubtful.site.versions()) == kept + doubtful.damaged
    doubtful.node.start()
