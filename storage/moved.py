"""Marks of a move in the databases of both sides: such that at every moment at most one of them can be used (S-6).

The target says ``moving`` until all is there, so nobody serves half a site. The source says ``moved`` before the target
stops saying that, so nobody serves two. While a move is at work it has the lease ``move`` in the source.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from datetime import datetime

from domain.clock import parse_rfc3339, rfc3339
from domain.errors import MoveUnfinished, SiteMoved
from domain.ids import AttachmentId
from storage.records import Records, Row, Table, Unit

MOVED = "moved"
MOVING = "moving"
BLOBS_DONE = "moving-blobs"
LEASE = "move"
NODES = "node:"
"""How the leases of serving nodes begin."""
_OWN = frozenset({MOVED, MOVING, BLOBS_DONE})


@dataclass(frozen=True, slots=True)
class Mark:
    """What either side says: of which installation, since when, and where it went or comes from (no credentials)."""

    installation: str
    at: datetime
    place: str

    def encode(self) -> str:
        """As it is kept."""
        return json.dumps(asdict(self) | {"at": rfc3339(self.at)}, sort_keys=True)

    @classmethod
    def parse(cls, text: str | None) -> Mark | None:
        """What was kept, if anything was."""
        if text is None:
            return None
        found = json.loads(text)
        return cls(found["installation"], parse_rfc3339(found["at"]), found["place"])


class Marks:
    """The marks in one database, in a transaction of the caller's."""

    def __init__(self, unit: Unit) -> None:
        self._unit = unit

    @property
    def moved(self) -> Mark | None:
        """Where the site went."""
        return Mark.parse(self._unit.site.get(MOVED))

    @property
    def moving(self) -> Mark | None:
        """Where the site comes from that is to live here."""
        return Mark.parse(self._unit.site.get(MOVING))

    @property
    def blobs_done(self) -> AttachmentId | None:
        """Up to which attachment every blob was copied and compared."""
        found = self._unit.site.get(BLOBS_DONE)
        return AttachmentId(found) if found else None

    def begin(self, mark: Mark) -> None:
        """The target, before anything of the site is in it; also one that the same site had left before."""
        self._forget(MOVED, BLOBS_DONE)
        self._unit.site.put(MOVING, mark.encode())

    def keep_blobs_done(self, attachment_id: AttachmentId) -> None:
        """So far."""
        self._unit.site.put(BLOBS_DONE, attachment_id)

    def end(self) -> None:
        """The target, when all is in it and the source has said that it left."""
        self._forget(MOVING, BLOBS_DONE)

    def leave(self, mark: Mark) -> None:
        """The source, when all is in the target."""
        self._unit.site.put(MOVED, mark.encode())

    def _forget(self, *names: str) -> None:
        table = next(table for table in self._unit.tables.all() if table.name == "site")
        self._unit.tables.delete(table, [(name,) for name in names])


def unfinished(mark: Mark) -> MoveUnfinished:
    """What is said of half a site."""
    return MoveUnfinished(
        f"Moving this site here from {mark.place} was begun at {rfc3339(mark.at)} and is not finished: "
        "run the same `bilaga move` again."
    )


def check_moved(records: Records, *, alone: bool = False) -> None:
    """To be asked before anything of a site is used, and after a node has taken its lease.

    Raises SiteMoved for one that lives elsewhere now, MoveUnfinished for one that is only half here, or on its way.
    ``alone``: we hold the site's lock, so a move whose lease is not over yet is dead.
    """
    now = records.now()
    gone, coming, leaving = records.read(
        lambda unit: (Marks(unit).moved, Marks(unit).moving, LEASE in unit.leases.living(LEASE, now=now))
    )
    if coming is not None:
        raise unfinished(coming)
    if gone is not None:
        raise SiteMoved(f"This site was moved to {gone.place} at {rfc3339(gone.at)}, and lives there now.")
    if leaving and not alone:
        raise MoveUnfinished("This site is being moved right now. If the move was killed, try again in a few seconds.")


def is_local(table: Table, row: Row) -> bool:
    """Whether a row belongs to its own database and never moves: our marks, leases of nodes and of the move."""
    name = str(row[0])
    match table.name:
        case "site":
            return name in _OWN
        case "leases":
            return name == LEASE or name.startswith(NODES)
        case _:
            return False
