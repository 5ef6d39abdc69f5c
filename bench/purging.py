"""Purge of many attachments by two nodes at once, on PostgreSQL and a Ceph bucket that keeps versions.

    python -m bench purging       ATTACHMENTS=10000

Afterwards: one certificate each, one pair of audit entries each, nothing of them in the bucket, in no version.
"""

from __future__ import annotations

import json
import os
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Set as AbstractSet
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path

from audit import kept_entries
from bench.ledger import Violation
from domain.actor import SYSTEM, Actor, Role
from domain.attachment import AttachmentState, Source
from domain.event import EventKind
from domain.ids import PrincipalId
from domain.ticket import TicketStatus
from installation import Site
from tests.crash.vault import inside
from tests.faults.shared import SharedSite
from tickets import TicketFact
from transfer import Incoming, Reception, Sealing, TypePolicy

ATTACHMENTS = int(os.environ.get("ATTACHMENTS", "10000"))
A_TICKET = 50
THREADS = 12
LONG_AGO = datetime(2020, 1, 2, tzinfo=UTC)
SENDER = Actor(Role.AGENT, PrincipalId("bench"))


def fill(site: Site, count: int) -> None:
    """Tickets with small attachments, through the rooms that every upload goes through, and all of them due."""
    policy = TypePolicy()
    sealing = Sealing(site.records, site.blobs, policy=policy, sniff=lambda _: "text/plain", limits=site.limits)
    reception = Reception(
        site.records,
        site.blobs,
        site.keys,
        site.log,
        site.clock,
        sealing=sealing,
        policy=policy,
        limits=site.limits,
        touched=lambda *_: None,
        node="bench",
    )

    def one(n: int) -> None:
        fact = TicketFact(f"P-{n}", status=TicketStatus.CLOSED, last_activity_at=LONG_AGO, closed_at=LONG_AGO)
        ticket = site.records.write(lambda unit: site.facts.put_ticket(unit, SYSTEM, fact)).ticket
        incoming = Incoming(actor=SENDER, source=Source.AGENT, ticket_id=ticket.id, link=None)
        body = os.urandom(1024)
        claims = [reception.claim(incoming, f"{k}.bin", len(body)) for k in range(A_TICKET)]
        reception.finish([reception.seal(claim, [body]) for claim in claims])

    with ThreadPoolExecutor(THREADS) as threads:
        list(threads.map(one, range(count // A_TICKET)))


def check(site: Site, shared: SharedSite, purged: AbstractSet[str]) -> None:
    """One certificate each, one beginning and one end each, and nothing left. Raises Violation."""
    rows = site.records.read(
        lambda unit: list(unit.inventory.in_states({AttachmentState.PURGED}, limit=ATTACHMENTS + 1))
    )
    if {row.id for row in rows} != purged or len({row.certificate_id for row in rows}) != len(purged):
        raise Violation(f"{len(purged)} were said to be purged, {len(rows)} are")
    told: Counter[tuple[str, str]] = Counter()
    for entry in kept_entries(site.records):
        body = json.loads(entry.body)
        if body["kind"] in {EventKind.PURGE_STARTED, EventKind.PURGE_FINISHED}:
            told[body["kind"], body["subject"]] += 1
    if set(told.values()) != {1} or len(told) != 2 * len(purged):
        raise Violation(f"{len(told)} beginnings and ends, {Counter(told.values())} of each")
    left = [*shared.versions(), *shared.parts()]
    if left:
        raise Violation(f"{len(left)} versions, markers and parts are left in the bucket")


def run() -> None:
    """As the module's docstring says."""
    with tempfile.TemporaryDirectory() as folder, SharedSite(Path(folder), versioned=True) as shared:
        nodes = [shared.nodes[0], shared.node()]
        began = time.monotonic()
        with inside(nodes[0]) as site:
            fill(site, ATTACHMENTS)
        print(f"{ATTACHMENTS} attachments made in {time.monotonic() - began:.0f} s; {len(shared.versions())} versions")
        began = time.monotonic()
        runs = [node.spawn("bilaga", argv=("purge", "--json", "--confirm", str(ATTACHMENTS))) for node in nodes]
        ended = [(run.wait(1800), run.said()) for run in runs]
        seconds = time.monotonic() - began
        try:
            if any(code for code, _ in ended):
                raise Violation(f"a purge ended with {ended}")
            shares = [json.loads(run.out.read_text()) for run in runs]
            with inside(nodes[0]) as site:
                everything = site.records.read(
                    lambda unit: {
                        row.id for row in unit.inventory.in_states(set(AttachmentState), limit=ATTACHMENTS + 1)
                    }
                )
                check(site, shared, everything)
            nodes[0].bilaga("fsck")
            nodes[0].bilaga("audit", "verify")
        except Violation as violation:
            print(f"VIOLATION: {violation}", file=sys.stderr)
            raise SystemExit(1) from violation
    both = " and ".join(str(share["purged"]) for share in shares)
    print(
        f"{ATTACHMENTS} purged by two nodes at once ({both}) in {seconds:.1f} s: {ATTACHMENTS / seconds:.0f} a second"
    )
    print("one certificate and one pair of audit entries each; no version, marker or part left; fsck clean")
