"""The service's own recurring work: what there is, how often, and on how many nodes at once.

What must be done by one node at a time runs under a lease; whoever finds it taken leaves it to the other (S-71). What a
job does twice by accident is done once: every effect is a compare-and-set of its own, or asks its lease in its own
transaction.
"""

from __future__ import annotations

import logging
import os
import signal
from collections.abc import Callable, Iterator
from datetime import timedelta
from functools import partial

from domain.actor import SYSTEM
from domain.attachment import AttachmentState
from domain.errors import BilagaError, ChainBroken, MoveUnfinished, SiteMoved, StateConflict
from evacuation import Rounds, evacuation_of
from installation import Site
from jobs import Job
from keys import BEAT, Lease, LeaseLost, LeaseTaken, Node
from links import Post
from mail import REMEMBERED
from storage import DatabaseClock, Unit, check_moved
from transfer import Reception, Rescan, Resuming, Scanner, Scrub

log = logging.getLogger(__name__)
SCRUB_EVERY = timedelta(hours=1)
READ_EVERY = timedelta(seconds=2)
"""How often it is looked whether it is time to read a ticket system: a hint is answered as soon as that."""
LEASE_FOR = timedelta(minutes=2)
"""How long a job that died with its node waits for the next one."""
CHECKPOINT_LEASE = timedelta(seconds=30)
"""As ``LEASE_FOR``; shorter, as the log is signed every minute (S-89), and what is not signed yet can be changed."""
_SECOND = timedelta(seconds=1)


def _end_process() -> None:
    os.kill(os.getpid(), signal.SIGTERM)


class Upkeep:
    """The upkeep of a site by one node. ``post``: None where the site sends no mail."""

    def __init__(
        self,
        site: Site,
        node: Node,
        reception: Reception,
        *,
        resuming: Resuming,
        scanner: Scanner | None,
        post: Post | None,
        stopping: Callable[[], bool] = lambda: False,
        end: Callable[[], None] = _end_process,
    ) -> None:
        """``stopping`` says that long work should leave off; ``end`` ends this node: by default as SIGTERM does."""
        self._site = site
        self._node = node
        self._end = end
        self._stopping = stopping
        self._reception = reception
        self._resuming = resuming
        self._scanner = scanner
        self._started = site.clock()
        self._scrub = Scrub(site.records, site.blobs, site.keys, site.sending, every=SCRUB_EVERY)
        self._post = post

    def recover(self) -> None:
        """Before serving: what the process before this one had begun, or claimed for itself alone. Where others serve
        too, it may be theirs: then it is mended while serving, once it is known who lives."""
        if not self._node.alone:
            return
        self._site.recovery.at_start()
        self._site.purge.recover()
        self._site.records.write(_forget_the_dead)

    def jobs(self) -> list[Job]:
        """All of it."""
        site = self._site
        jobs = [
            Job("checkpoint", 10 * _SECOND, self._checkpoint_if_due),
            Job("purge", site.settings.purge_every, self._purge),
            Job("dates", timedelta(minutes=1), lambda: self._once("dates", self._keep_dates)),
            Job("holds", timedelta(days=1), lambda: self._once("holds", self._review_holds)),
            Job("left", 5 * _SECOND if site.shared else timedelta(minutes=5), self._end_left),
            Job("sweep", timedelta(minutes=15), lambda: self._once("sweep", self._sweep)),
            Job("uploads", timedelta(minutes=1), lambda: self._once("uploads", self._sweep_uploads)),
            # Every node: whoever takes an upload on has its turn, and the others leave it.
            Job("assembly", 5 * _SECOND, self._resuming.assemble_due),
            Job("tidy", timedelta(hours=1), site.records.tidy),
            Job("keys", timedelta(hours=1), site.rotation.tick),
            *(Job(f"connector {name}", READ_EVERY, partial(self._read, name)) for name in site.connectors.frames),
            Job("scrub", SCRUB_EVERY, lambda: self._once("scrub", lambda lease: self._scrub.run(_kept(lease)))),
        ]
        if site.shared:
            if isinstance(site.clock, DatabaseClock):
                jobs.append(Job("clock", 30 * _SECOND, site.clock.measure))
            jobs.append(Job("node", BEAT, self._beat))
            jobs.append(Job("heed", _SECOND, self._resuming.heed))
            jobs.append(Job("purging", timedelta(minutes=1), self._finish_purging))
            jobs.append(Job("orphans", timedelta(days=1), lambda: self._once("orphans", self._sweep_blobs)))
        else:
            # A row comes before its blob: what has none and is older than this process, a crash left behind.
            jobs.append(Job("orphans", timedelta(days=1), lambda: site.recovery.delete_orphans(self._started)))
            jobs.append(Job("stale", timedelta(hours=1), site.recovery.sweep))
        if self._scanner is not None:
            rescan = Rescan(site.records, site.blobs, site.keys, site.log, site.clock, self._scanner)
            jobs.append(Job("rescan", 10 * _SECOND, rescan.run))
        if self._post is not None:
            jobs.append(Job("post", 2 * _SECOND, self._send_mail))
        return [*jobs, *self._evacuations()]

    def _evacuations(self) -> Iterator[Job]:
        """Bringing files home from ticket systems, one job each: a long one holds up no other."""
        site = self._site
        for name, frame in site.connectors.frames.items():
            desk = site.connectors.open(name).desk if frame.evacuate else None
            if desk is not None:
                evacuation = evacuation_of(site, self._reception, name, desk, delete=frame.delete)
                yield Rounds(evacuation, frame.every, stopping=self._stopping).job(name)

    def _read(self, name: str) -> None:
        """A round of reading a ticket system; it has a lease of its own, for a command may be at it as well."""
        reconcile = self._site.reconcile
        if not reconcile.is_due(name):
            return
        try:
            reconcile.run(name, enough=self._stopping)
        except StateConflict:
            log.debug("another run is at it", extra={"connector": name})

    def _beat(self) -> None:
        self._node.beat()
        try:
            check_moved(self._site.records)
        except (SiteMoved, MoveUnfinished) as error:
            # Paused for longer than its lease, while the site was taken elsewhere: nobody looks for anything here now.
            log.critical("site moved away", extra={"code": error.code})
            self._end()

    def checkpoint(self) -> None:
        """Sign the log as it is, unless another node is doing it."""
        self._once("checkpoint", self._checkpoint, CHECKPOINT_LEASE)

    def _once(self, name: str, work: Callable[[Lease | None], object], length: timedelta = LEASE_FOR) -> None:
        """Work that one node does at a time. A process that serves alone needs no lease for it."""
        site = self._site
        if not site.shared:
            work(None)
            return
        try:
            with Lease(site.records, name, length=length) as lease:
                work(lease)
        except LeaseTaken:
            log.debug("another node is at it", extra={"job": name})
        except LeaseLost:
            log.warning("another node has taken over", extra={"job": name})

    def _checkpoint_if_due(self) -> None:
        if self._site.records.read(self._site.log.due):
            self.checkpoint()

    def _checkpoint(self, lease: Lease | None) -> None:
        site = self._site
        try:
            site.log.checkpoint(site.records, guard=_unguarded if lease is None else lease.guard)
        except ChainBroken:
            log.critical("audit log broken")
        except BilagaError as error:
            log.warning("checkpoint failed", extra={"code": error.code})

    def _purge(self) -> None:
        if not self._site.is_policy_followed():
            # What is configured would erase sooner: until a second person confirms it, the one in force goes on.
            log.error("retention policy unconfirmed")
        for name in self._site.connectors.frames:
            self._site.reconcile.ask_about_due(name, enough=self._stopping)
        self._site.purge.run(SYSTEM)

    def _keep_dates(self, lease: Lease | None) -> None:
        """After a policy was confirmed, here or on another node, or beside the service."""
        self._site.keep_dates()

    def _review_holds(self, lease: Lease | None) -> None:
        overdue = self._site.records.read(self._site.holds.overdue)
        if overdue:
            # It keeps what it keeps: only people end a hold.
            log.warning("hold review overdue", extra={"holds": overdue})

    def _finish_purging(self) -> None:
        """What a node that died had begun to erase. A run that is at work does it by itself, under the same lease."""
        begun = {AttachmentState.PURGING}
        if self._site.records.read(lambda unit: unit.inventory.in_states(begun, limit=1)):
            self._once("purge", self._recover_purge)

    def _recover_purge(self, lease: Lease | None) -> None:
        self._site.purge.recover()

    def _end_left(self) -> None:
        """What nodes that died had begun, and what this one could not give up when it should have."""
        site, node = self._site, self._node
        site.recovery.end_left(node, self._reception.is_at_work)
        if node.alone:
            return
        now = site.records.now()
        if node.judges(now):
            freed = site.records.write(lambda unit: unit.answers.free(node.living(unit, now)))
            if freed:
                log.info("requests of the dead freed", extra={"count": freed})

    def _sweep(self, lease: Lease | None) -> None:
        site = self._site

        def work(unit: Unit) -> None:
            site.redeeming.sweep(unit)
            site.passcodes.sweep(unit)
            unit.answers.sweep(site.clock())
            unit.outbox.sweep(site.clock())
            site.hooks.sweep(unit)
            unit.mail_deliveries.sweep(site.clock() - REMEMBERED)
            self._node.tidy(unit, now)

        now = site.records.now()
        site.records.write(work)

    def _sweep_uploads(self, lease: Lease | None) -> None:
        self._resuming.sweep()

    def _sweep_blobs(self, lease: Lease | None) -> None:
        self._site.recovery.sweep()

    def _send_mail(self) -> None:
        post = self._post
        if post is not None and post.has_work():
            self._once("post", lambda lease: post.run(_kept(lease)))


def _forget_the_dead(unit: Unit) -> None:
    unit.answers.free(())
    unit.leases.end_all()


def _kept(lease: Lease | None) -> Callable[[], None]:
    """What a long job calls between its steps: it raises LeaseLost where another node has taken over."""
    return _alone if lease is None else lease.prolong


def _unguarded(unit: Unit) -> None:
    """Nobody else is there to take over."""


def _alone() -> None:
    """Nobody else is there to take over."""
