"""Moving a site to other engines and back: rows, blobs and keys copied, compared by digest, and then used there alone.

The order is what keeps it safe to be killed anywhere and run again: the target says that it is half a site before
anything is in it; the source says that it left only when all is there and was compared; then the target says that it is
whole. So at every moment at most one of the two can be served, and nothing that is purged in one comes back in the
other (S-6). The source's rows, blobs and keys are only read.
"""

from __future__ import annotations

import resource
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass, field
from functools import partial
from hashlib import sha256

from audit import Log
from crypto import Signer, selftest
from domain.actor import SYSTEM
from domain.clock import Clock, system_clock
from domain.errors import Misconfigured, SiteMoved, StateConflict
from domain.event import Event, EventKind, Scalar
from domain.ids import AttachmentId
from engines import (
    INSTALLATION,
    MovableRing,
    Store,
    find_keys,
    is_shared,
    is_there,
    open_alone,
    open_blobs,
    place_of,
    take_over_keys,
    upgrade_database,
)
from keys import KEY_DOCUMENT, Alone, LeaseLost
from settings import Settings
from storage import (
    BlobCopy,
    Copied,
    Mark,
    Marks,
    Records,
    Row,
    RowCopy,
    Table,
    TableDigest,
    Unit,
    is_local,
    unfinished,
)

ROUNDS = 3
"""How often what was written to the source meanwhile (by a command, which the lease stops from now on) is fetched."""
JOURNAL = "journal_entries"


def unwatched(step: str) -> None:
    """Nobody watches the steps; crash tests hand in something that kills the process at one."""


@dataclass(frozen=True, slots=True)
class Side:
    """One of the two. ``place``: where its database is, without credentials."""

    place: str
    engines: str
    records: Records
    blobs: Store


@dataclass(slots=True)
class Moved:
    """What came of it. ``complete`` False: blobs are damaged or missing and nobody accepted that; nothing was switched.
    The SHA-256 of ``tables`` are of both sides."""

    complete: bool = False
    already: bool = False
    """A try before this one was through, and died before it could say so."""
    tables: list[TableDigest] = field(default_factory=list)
    blobs: Copied = field(default_factory=Copied)

    @property
    def rows(self) -> int:
        """Rows of all tables."""
        return sum(table.rows for table in self.tables)

    @property
    def sha256(self) -> str:
        """One digest over those of all tables, in hexadecimal."""
        return sha256(b"".join(table.name.encode() + b"\x00" + table.sha256 for table in self.tables)).hexdigest()


class Move:
    """One move of one site. ``carry_keys`` puts the source's keys into the target and gives the ring there.

    ``one_store``: both sides use the same store, nothing is copied there. ``accept``: go on with damaged blobs, which
    are copied as they are. ``say`` hears how far it is. ``steps`` is the seam of crash tests.
    """

    def __init__(
        self,
        source: Side,
        target: Side,
        ring: MovableRing,
        carry_keys: Callable[[], MovableRing],
        clock: Clock,
        *,
        one_store: bool,
        accept: bool = False,
        say: Callable[[str], None] = lambda _: None,
        steps: Callable[[str], None] = unwatched,
    ) -> None:
        self._source = source
        self._target = target
        self._installation = ring.installation
        self._carry_keys = carry_keys
        self._clock = clock
        self._one_store = one_store
        self._accept = accept
        self._say = say
        self._steps = steps

    def run(self, alone: Alone) -> Moved:
        """Do it, or what is left of it. Raises Misconfigured, Unavailable, StateConflict, Damaged.

        ``alone`` is the lease in the source that keeps everybody else from it.
        """
        again = self._begin()
        if again is None:
            return Moved(complete=True, already=True)
        self._steps("begun")
        ring = self._carry_keys()
        if ring.installation != self._installation:
            raise Misconfigured("KEYS_URL: the target has keys of another site", field="KEYS_URL")
        self._steps("keys")
        for _ in range(ROUNDS):
            moved = self._copy(again=again)
            if any(not fault.known for fault in moved.blobs.faults) and not self._accept:
                return moved
            again = True
            if self._source.records.write(partial(self._leave, alone=alone, moved=moved)):
                self._steps("left")
                # What the ring is asked for must not be asked for inside the transaction: its document is there too.
                log = Log(
                    Signer(f"bilaga/{ring.installation}", ring.secret("audit-signing")), self._clock, ring.installation
                )
                self._target.records.write(partial(self._end, log=log, moved=moved))
                self._steps("ended")
                moved.complete = True
                return moved
        raise StateConflict("The site is being written to while it is moved: stop what does it, then run this again.")

    def _begin(self) -> bool | None:
        """Make the target ours; whether some of the site may be there already, None: all of it lives there."""
        gone, half = self._source.records.read(lambda unit: (Marks(unit).moved, Marks(unit).moving))
        if half is not None:
            raise unfinished(half)
        if gone is not None and gone.place != self._target.place:
            raise SiteMoved(f"This site was moved to {gone.place} before, and lives there now.")
        known = self._target.records.read(lambda unit: Marks(unit).moving)
        if known is not None:
            if known.installation != self._installation:
                raise Misconfigured(f"The target is half of another site, which comes from {known.place}.")
            return True
        if gone is not None:
            lives, left = self._target.records.read(lambda unit: (unit.site.get(INSTALLATION), Marks(unit).moved))
            if lives != self._installation or left is not None:
                raise SiteMoved(f"This site was moved to {gone.place} before, and is not there any more.")
            return None
        left = self._target.records.read(lambda unit: Marks(unit).moved)
        back = left is not None and left.installation == self._installation
        if not back:
            self._demand_empty()
        mark = Mark(self._installation, self._clock(), self._source.place)
        self._target.records.write(lambda unit: Marks(unit).begin(mark))
        return back

    def _demand_empty(self) -> None:
        if not self._target.records.read(_is_empty):
            raise Misconfigured("The target's database is in use: a site moves into an empty one.")
        if not self._one_store and next(self._target.blobs.iterate(), None) is not None:
            raise Misconfigured("The target's store is not empty: a site moves into an empty one.")

    def _copy(self, *, again: bool) -> Moved:
        moved = Moved()
        rows = RowCopy(
            self._source.records,
            self._target.records,
            left_out=_is_local,
            told=lambda name, count: self._say(f"{name}: {count} rows"),
            steps=self._steps,
        )
        rows.run()
        blobs = BlobCopy(
            self._source.records,
            self._source.blobs,
            self._target.blobs,
            self._target.blobs,
            accept=self._accept,
            told=lambda done: self._say(
                f"{done.copied + done.there + len(done.faults)} blobs, {done.bytes >> 20} MiB copied"
            ),
            steps=self._steps,
        )
        if self._one_store:
            blobs.look(moved.blobs)
        else:
            if again:
                blobs.clear(moved.blobs)
            trusted = self._target.records.read(lambda unit: Marks(unit).blobs_done)
            keep = self._target.records.write
            blobs.run(
                moved.blobs, trusted=trusted, keep=lambda one: keep(lambda unit: Marks(unit).keep_blobs_done(one))
            )
        self._steps("blobs")
        self._say("comparing every row")
        moved.tables = rows.compare()
        self._steps("compared")
        return moved

    def _keep_blobs_done(self, one: AttachmentId) -> None:
        self._target.records.write(lambda unit: Marks(unit).keep_blobs_done(one))

    def _leave(self, unit: Unit, *, alone: Alone, moved: Moved) -> bool:
        """In the source, unless something was written to it since its audit log was read."""
        alone.guard(unit)
        if unit.journal.size() != next(table.rows for table in moved.tables if table.name == JOURNAL):
            return False
        if Marks(unit).moved is None:
            Marks(unit).leave(Mark(self._installation, self._clock(), self._target.place))
        return True

    def _end(self, unit: Unit, *, log: Log, moved: Moved) -> None:
        """In the target: from here on it is the site."""
        facts: dict[str, Scalar] = {
            "from": self._source.engines,
            "to": self._target.engines,
            "rows": moved.rows,
            "rows_sha256": moved.sha256,
            "blobs": moved.blobs.copied + moved.blobs.there,
            "damaged": len(moved.blobs.faults),
        }
        log.append(unit, Event(EventKind.SITE_MOVED, SYSTEM, None, facts))
        Marks(unit).end()


def _log_of(ring: MovableRing, clock: Clock) -> Log:
    return Log(Signer(f"bilaga/{ring.installation}", ring.secret("audit-signing")), clock, ring.installation)


def _is_local(table: Table, row: Row) -> bool:
    """Whether a row stays where it is: marks of the move, leases, the keys' document, which each ring makes anew."""
    return is_local(table, row) or (table.name == "site" and row[0] == KEY_DOCUMENT)


def _is_empty(unit: Unit) -> bool:
    tables = [table for table in unit.tables.all() if table.name not in {"site", "leases"}]
    return unit.site.get(INSTALLATION) is None and not any(
        unit.tables.page(table, after=None, limit=1) for table in tables
    )


def move_site(
    source: Settings,
    target: Settings,
    *,
    accept: bool = False,
    clock: Clock = system_clock,
    say: Callable[[str], None] = lambda _: None,
    steps: Callable[[str], None] = unwatched,
) -> Moved:
    """Open both sides, which nobody may serve meanwhile, and move the site of the one to the engines of the other.

    Raises as ``Move.run``, SiteLocked where the source is served, SchemaOld.
    """
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))  # S-29: no key in a core dump
    selftest()
    if place_of(source, "database_url") == place_of(target, "database_url"):
        raise Misconfigured("DATABASE_URL: the target needs a database of its own", field="DATABASE_URL")
    if not is_there(source):
        raise Misconfigured("DATABASE_URL: there is no site", field="DATABASE_URL")
    with ExitStack() as stack:
        here = open_alone(source, clock, stack)
        ring = _ring_of(source, here, clock)
        upgrade_database(target)
        there = open_alone(target, clock, stack)
        move = Move(
            _side(source, here, stack),
            _side(target, there, stack),
            ring,
            partial(_carry_keys, source, target, clock, ring, there),
            clock,
            one_store=place_of(source, "storage_url") == place_of(target, "storage_url"),
            accept=accept,
            say=say,
            steps=steps,
        )
        try:
            return move.run(stack.enter_context(Alone(here, dead=not is_shared(source), say=say)))
        except LeaseLost as error:
            raise StateConflict("Another process took over the site while it was being moved.") from error


def _ring_of(settings: Settings, records: Records, clock: Clock) -> MovableRing:
    ring = find_keys(settings, records, clock)
    known, entries = records.read(lambda unit: (unit.site.get(INSTALLATION), unit.journal.size()))
    if known is None and not entries:
        raise Misconfigured("DATABASE_URL: there is no site", field="DATABASE_URL")
    if ring is None or known not in {None, ring.installation}:
        raise Misconfigured("KEYS_URL: these are not the keys of this site", field="KEYS_URL")
    return ring


def _carry_keys(source: Settings, target: Settings, clock: Clock, ring: MovableRing, there: Records) -> MovableRing:
    found = find_keys(target, there, clock)
    keys = ring.export_document()
    if found is not None:
        if found.installation != ring.installation:
            raise Misconfigured("KEYS_URL: the target has keys of another site", field="KEYS_URL")
        if found.export_document() == keys:
            return found
        if source.scheme("keys_url") == "file" and place_of(source, "keys_url") == place_of(target, "keys_url"):
            raise StateConflict("The keys changed while they were read; run this again.")
    return take_over_keys(target, there, clock, keys)


def _side(settings: Settings, records: Records, stack: ExitStack) -> Side:
    schemes = [settings.scheme(name) for name in ("database_url", "storage_url", "keys_url")]
    return Side(place_of(settings, "database_url"), "+".join(schemes), records, open_blobs(settings, stack))
