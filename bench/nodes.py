"""Two nodes on PostgreSQL, Ceph and OpenBao behind nginx: uploads while nodes are killed, and one-time links raced for.

    python -m bench nodes         UPLOADS=200 LINKS=20 KILL_EVERY=3

A node is killed (SIGKILL) every few seconds and started again. Ends with figures, or at the first violation with
exit 1.
"""

from __future__ import annotations

import os
import random
import signal
import sys
import tempfile
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from threading import Barrier, Event, Thread

from bench.balancer import Balancer
from bench.ledger import Fate, Ledger, Sent, Violation
from tests.crash.vault import PATIENCE, Answer, Lost, request
from tests.faults.shared import SharedSite, free_port

UPLOADS = int(os.environ.get("UPLOADS", "200"))
LINKS = int(os.environ.get("LINKS", "20"))
KILL_EVERY = float(os.environ.get("KILL_EVERY", "3"))
CLIENTS = 6
RACERS = 64
TICKETS = 4
SIZES = (0, 1, 70_000, 1_048_520, 1_048_521, 3_000_000, 9_000_000)


class Cluster:
    """Two nodes and what stands before them. ``front`` asks through nginx, as everybody outside does."""

    def __init__(self, site: SharedSite, balancer: Balancer) -> None:
        self.site = site
        self.nodes = [site.nodes[0], site.node()]
        self.ports = balancer.ports
        self.front = site.node()
        self.front.base = balancer.url
        self.counts: Counter[str] = Counter()

    def launch(self, n: int) -> None:
        """Start a node, and wait until it listens."""
        node = self.nodes[n]
        node.service = node.spawn("bilaga", argv=("serve", "--port", str(self.ports[n])))
        node.await_service()

    def stop(self) -> None:
        """End both as an operator does."""
        for node in self.nodes:
            node.stop()

    def kill_in_turn(self, until: Event, dice: random.Random) -> None:
        """One after the other, never both: whoever runs two nodes can lose one at any moment."""
        n = 0
        while not until.wait(dice.uniform(0.7, 1.3) * KILL_EVERY):
            self.nodes[n].service.send(signal.SIGKILL)
            self.nodes[n].dies()
            self.counts["nodes killed"] += 1
            began = time.monotonic()
            self.launch(n)
            self.counts["milliseconds until it served again"] += round(1000 * (time.monotonic() - began))
            n = 1 - n


class Uploads:
    """Clients that send files through nginx until enough were acknowledged, each under a key to repeat it by.

    What got no answer is sent again under its key. While its node is taken for alive (under this fire nobody lives
    long enough to judge) that is answered 409: then another file is sent, and this one again when the fire is over.
    """

    def __init__(self, cluster: Cluster, ledger: Ledger) -> None:
        self._cluster = cluster
        self._front = cluster.front
        self._ledger = ledger
        self._tickets = [f"N-{n}" for n in range(TICKETS)]
        self._later: list[partial[Answer]] = []
        self.failures: list[BaseException] = []

    def run(self, count: int) -> list[str]:
        """So many uploads, a node dying now and then; the tickets they are on."""
        for ref in self._tickets:
            self._front.ticket(ref)
        links = {ref: self._front.upload_link(ref) for ref in self._tickets}
        over = Event()
        killer = Thread(target=self._guarded, args=(partial(self._cluster.kill_in_turn, over, random.Random(3)),))
        killer.start()
        try:
            with ThreadPoolExecutor(CLIENTS) as clients:
                for n in range(count):
                    ref = self._tickets[n % TICKETS]
                    clients.submit(self._guarded, partial(self._send_one, random.Random(n), ref, links[ref]))
        finally:
            over.set()
            killer.join()
        for repeat in self._later:
            if not self._repeat(repeat, PATIENCE, "uploads repeated when the fire was over"):
                self.failures.append(Violation("an upload can never be repeated"))
        if self.failures:
            raise self.failures[0]
        return self._tickets

    def _guarded(self, work: partial[None]) -> None:
        try:
            work()
        except BaseException as error:  # noqa: BLE001  it is raised where the uploads are counted
            self.failures.append(error)

    def _send_one(self, dice: random.Random, ref: str, link: str) -> None:
        end = time.monotonic() + 2 * PATIENCE
        while True:
            name = f"{dice.getrandbits(64):016x}.bin"
            body = dice.randbytes(dice.choice(SIZES))
            self._ledger.sending({name: body}, ref, name)
            headers = {"Idempotency_Key": f'"{name}"', "Accept": "application/json"}
            send = partial(self._front.bare, "PUT", f"{link}/put/{name}", body, **headers)
            if self._repeat(send, 5, "uploads under fire"):
                return
            self._later.append(send)
            if time.monotonic() > end:
                raise Violation("no upload is taken")

    def _repeat(self, send: partial[Answer], patience: float, what: str) -> bool:
        """Send until it is acknowledged, for so many seconds; whether it was."""
        end = time.monotonic() + patience
        while time.monotonic() < end:
            try:
                answer = send()
            except Lost:
                self._ledger.count("answers lost")
                time.sleep(0.2)
                continue
            if answer.status == 201:
                self._ledger.acknowledged(answer.json["name"], answer.json["id"], answer.json)
                self._ledger.count(what)
                return True
            # Its first try is still running or its node is gone; the bytes that node was given are lost.
            if answer.status not in {409, 502, 503, 504}:
                raise Violation(f"an upload was answered {answer}")
            self._ledger.count(f"answers {answer.status}")
            time.sleep(0.3)
        return False


def race(cluster: Cluster, files: list[Sent]) -> Counter[str]:
    """One-time links, each raced for by so many clients over both nodes: exactly one complete copy of each file."""
    found: Counter[str] = Counter()
    for one in files:
        path = cluster.front.download_link(one.id, max_downloads=1)
        start = Barrier(RACERS)

        def redeem(n: int, path: str = path, start: Barrier = start) -> Answer:
            start.wait()
            return request(cluster.nodes[n % 2].base, "GET", f"{path}/content")

        with ThreadPoolExecutor(RACERS) as racers:
            answers = list(racers.map(redeem, range(RACERS)))
        whole = [one for one in answers if one.status == 200 and not one.short]
        if len(whole) != 1 or len(whole[0].body) != one.size:
            raise Violation(f"{len(whole)} complete copies by one link: {Counter(one.status for one in answers)}")
        if any(one.status not in {200, 410} for one in answers) or [one.status for one in answers].count(200) != 1:
            raise Violation(f"a raced link answers {Counter(one.status for one in answers)}")
        found.update(f"answers {one.status}" for one in answers)
    return found


def check(cluster: Cluster, ledger: Ledger, tickets: list[str]) -> None:
    """What was acknowledged, seen through each node; then the site's own means."""
    for node in cluster.nodes:
        for ref in tickets:
            ledger.check_ticket(node, ref)
        ledger.check_bytes(node, list(ledger.by_id.values()))
    cluster.stop()
    node = cluster.nodes[0]
    node.bilaga("fsck", "--digests")
    audit = node.audit()
    if (audit["intact"], audit["signed"]) != (True, audit["entries"]):
        raise Violation(f"the audit log: {audit}")
    ledger.counts["audit entries"] = audit["entries"]


def run() -> None:
    """As the module's docstring says."""
    ledger = Ledger()
    with (
        tempfile.TemporaryDirectory() as folder,
        Balancer(Path(folder) / "nginx", [free_port(), free_port()]) as balancer,
        SharedSite(Path(folder), BILAGA_PUBLIC_URL=balancer.url) as site,
    ):
        cluster = Cluster(site, balancer)
        for n in range(2):
            cluster.launch(n)
        balancer.await_node()
        try:
            began = time.monotonic()
            tickets = Uploads(cluster, ledger).run(UPLOADS)
            seconds = time.monotonic() - began
            kept = ledger.some(random.Random(1), Fate.KEPT, 10_000)
            raced = race(cluster, [one for one in kept if one.size][:LINKS])
            check(cluster, ledger, tickets)
        except (Violation, AssertionError) as violation:
            print(f"VIOLATION: {violation}", file=sys.stderr)
            raise SystemExit(1) from violation
    sent = sum(one.size for one in ledger.by_id.values())
    counts = ledger.counts + cluster.counts
    print(f"{len(ledger.by_id)} uploads of {sent / 1e6:.0f} MB in {seconds:.0f} s: {dict(counts)}")
    print(f"{LINKS} one-time links, each raced for by {RACERS}: {dict(raced)}")
    print("every acknowledged file byte-equal through both nodes; fsck clean, audit log whole")
