"""PostgreSQL, Ceph and nodes on them killed for real, in the midst of uploads and purges: the invariants of S-74."""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from functools import partial

import pytest

from bench.ledger import Fate, Ledger, Sent
from domain.attachment import AttachmentState
from tests.crash.vault import PATIENCE, Answer, Lost, Vault, inside
from tests.faults.engine import Engine
from tests.faults.shared import SharedSite

pytestmark = [
    pytest.mark.long,
    pytest.mark.slow,
    pytest.mark.timeout(600),
    pytest.mark.xdist_group("crashing-engines"),
    pytest.mark.embedded("stands on engines of its own, which it kills"),
]
MIB = 1 << 20
UNDER_WAY = {AttachmentState.RECEIVING, AttachmentState.PURGING}


class Field:
    """Two nodes on engines that may be killed, and a ledger of what they acknowledged."""

    def __init__(self, site: SharedSite, postgres: Engine, ceph: Engine) -> None:
        self.site, self.postgres, self.ceph = site, postgres, ceph
        self.nodes = [site.nodes[0], site.node()]
        self.ledger = Ledger()
        self.dice = random.Random(74)
        self.tickets: list[str] = []

    @property
    def node(self) -> Vault:
        """The node that is asked; the other one is there to carry on."""
        return self.nodes[0]

    def open(self, ref: str) -> str:
        """A ticket, and its upload link."""
        self.node.ticket(ref)
        self.tickets.append(ref)
        return self.node.upload_link(ref)

    def send(self, ref: str, link: str, *, paced: bool = False) -> Answer | None:
        """Send a file of 12 MiB, slowly if so wished; None: its answer was lost."""
        name = f"{ref}-{self.dice.getrandbits(48):012x}.bin"
        body = self.dice.randbytes(12 * MIB)
        self.ledger.sending({name: body}, ref, name)

        def slowly() -> Iterator[bytes]:
            for start in range(0, len(body), MIB):
                yield body[start : start + MIB]
                time.sleep(0.25)

        headers = {"Content-Length": str(len(body)), "Accept": "application/json"}
        try:
            answer = self.node.bare("PUT", f"{link}/put/{name}", slowly() if paced else body, **headers)
        except Lost:
            return None
        if answer.status == 201:
            self.ledger.acknowledged(name, answer.json["id"], answer.json)
        return answer

    def send_at_last(self, ref: str, link: str) -> None:
        """By itself all is well again."""
        end = time.monotonic() + PATIENCE
        while (answer := self.send(ref, link)) is None or answer.status != 201:
            assert answer is None or answer.status == 503, answer
            assert time.monotonic() < end, answer
            time.sleep(0.5)

    def age(self, ref: str) -> list[Sent]:
        """Make a ticket's files due."""
        found = [one for one in self.ledger.by_id.values() if one.ticket == ref]
        for one in found:
            one.fate = Fate.DUE
        self.node.age(ref)
        return found

    def purge(self, node: Vault) -> Answer | None:
        """One run, wherever it ends."""
        try:
            return node.ask("POST", "/retention/purge", {}, key=node.admin)
        except Lost:
            return None

    def purge_at_last(self, node: Vault, due: list[Sent]) -> list[str]:
        """Until nothing that is due is left; the certificates. A run may join one whose node just died, and finds
        nothing to do then, until that one's lease has run out."""
        end = time.monotonic() + 2 * PATIENCE
        while True:
            answer = self.purge(node)
            listed = node.listed(due[0].ticket)
            certificates = [listed[one.id]["certificate"] for one in due]
            if answer is not None and answer.status == 200 and answer.json["complete"] and None not in certificates:
                assert {listed[one.id]["state"] for one in due} == {"purged"}
                return certificates
            assert time.monotonic() < end, answer
            time.sleep(1)

    def settle(self) -> None:
        """Wait until the nodes that live have ended what the dead had begun."""
        end = time.monotonic() + 2 * PATIENCE
        with inside(self.node) as site:
            while left := site.records.read(lambda unit: list(unit.inventory.in_states(UNDER_WAY, limit=100))):
                assert time.monotonic() < end, f"{len(left)} are left: {left[0]}"
                time.sleep(0.5)

    def hold(self) -> None:
        """S-74, through every node that lives and by the site's own means: nothing acknowledged is missing, nothing
        purged is readable, quotas equal the rows, every row has its blob and every blob its row, the log is whole."""
        living = [node for node in self.nodes if node.service is not None and node.service.alive]
        kept = 0
        for node in living:
            kept = sum(self.ledger.check_ticket(node, ref) for ref in self.tickets)
            self.ledger.check_bytes(node, list(self.ledger.by_id.values()))
        self.settle()
        for node in living:
            node.stop()
        self.node.bilaga("fsck", "--digests")
        # What came after the last checkpoint is signed by the next: a dead node may have its lease for a while (A1).
        assert self.node.audit()["intact"]
        # What a store that was away could not be told to delete is swept a day later; here, now.
        with inside(self.node) as site:
            site.recovery.delete_orphans(site.clock())
        assert self.site.parts() == []
        assert len(self.site.versions()) == kept
        for node in living:
            node.start()


@pytest.fixture(scope="module")
def field(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Field]:
    folder = tmp_path_factory.mktemp("field")
    with ExitStack() as stack:
        postgres = stack.enter_context(Engine("postgres"))
        ceph = stack.enter_context(Engine("ceph", CEPH_OSDS="3", CEPH_REPLICAS="2", CEPH_GB="4"))
        site = stack.enter_context(SharedSite(folder, versioned=True, engines={**postgres.said, **ceph.said}))
        made = Field(site, postgres, ceph)
        for node in made.nodes:
            node.start()
        yield made


def node_killed(field: Field) -> None:
    field.node.kill()


def postgres_killed(field: Field) -> None:
    field.postgres.run("crash")


def gateway_killed(field: Field) -> None:
    field.ceph.run("crash", "gateway", "0")


def osd_killed(field: Field) -> None:
    field.ceph.run("crash", "osd", "1")


def osd_frozen(field: Field) -> None:
    field.ceph.run("freeze", "osd", "1")


def back(field: Field) -> None:
    """Whatever was killed is started again."""
    field.ceph.run("thaw", "osd", "1")
    field.postgres.start()
    field.ceph.start()
    if not field.node.service.alive:
        field.node.start()


KILLS: list[Callable[[Field], None]] = [node_killed, postgres_killed, gateway_killed, osd_killed, osd_frozen]


@pytest.mark.parametrize("kill", KILLS, ids=lambda kill: kill.__name__)
def test_a_kill_in_the_midst_of_uploads_loses_nothing_acknowledged(field: Field, kill: Callable[[Field], None]) -> None:
    ref = f"U-{kill.__name__}".replace("_", "-")
    link = field.open(ref)
    field.send_at_last(ref, link)
    with ThreadPoolExecutor(4) as clients:
        under_way = [clients.submit(field.send, ref, link, paced=True) for _ in range(4)]
        time.sleep(1.2)
        kill(field)
        time.sleep(2)
        back(field)
        answers = [one.result() for one in under_way]
    assert {one.status for one in answers if one is not None} <= {201, 503}, answers
    field.send_at_last(ref, link)
    field.hold()


@pytest.mark.parametrize("kill", KILLS, ids=lambda kill: kill.__name__)
def test_a_kill_in_the_midst_of_a_purge_is_carried_through(field: Field, kill: Callable[[Field], None]) -> None:
    ref = f"P-{kill.__name__}".replace("_", "-")
    link = field.open(ref)
    for n in range(60):
        answer = field.node.bare("PUT", f"{link}/put/{ref}-{n}.bin", b"due\n" * 50)
        field.ledger.sending({f"{ref}-{n}.bin": b"due\n" * 50}, ref, f"{ref}-{n}")
        field.ledger.acknowledged(f"{ref}-{n}.bin", answer.json["id"], answer.json)
    kept = f"K-{ref}"
    field.send_at_last(kept, field.open(kept))
    due = field.age(ref)
    with ThreadPoolExecutor(2) as runs:
        begun = [runs.submit(partial(field.purge, node)) for node in field.nodes]
        time.sleep(0.4)
        kill(field)
        time.sleep(2)
        back(field)
        for run in begun:
            run.result()
    certificates = field.purge_at_last(field.nodes[1], due)
    assert len(set(certificates)) == len(due)
    field.hold()
