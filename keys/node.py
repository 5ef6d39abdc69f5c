"""A serving process among others: what it has begun is its own while it lives, and anybody's to end when it does not.

Every node prolongs a lease of its own. Rows and answers that are under way name the node that began them. Where its
lease ran out, others free what it had begun; a node that was only paused finds that out in the transaction of its
effect, since the row is gone or the key is another's (S-71).
"""

from __future__ import annotations

import logging
from datetime import datetime, timedelta
from threading import Lock

from crypto import new_id
from storage import NODES
from storage.records import Records, Unit

log = logging.getLogger(__name__)
LEASE_FOR = timedelta(seconds=20)
"""How long a node that says nothing counts as living."""
BEAT = timedelta(seconds=3)
"""How often it says something."""
FORGOTTEN_AFTER = timedelta(days=1)


class Node:
    """This serving process. Safe from any thread. By the database's clock (S-76).

    ``alone``: no other process serves the site (it holds ``SiteLock``), so there is nobody to tell, and whoever else
    began something is dead.
    """

    def __init__(self, records: Records, *, alone: bool) -> None:
        self.id = new_id()
        self.alone = alone
        self._records = records
        self._lock = Lock()
        self._fence: int | None = None
        self._since: datetime | None = None

    def beat(self) -> None:
        """Say that this node lives: at the start, then every ``BEAT``. Raises RecordsUnavailable."""
        if self.alone:
            return
        with self._lock:
            now = self._records.now()
            fence = self._records.write(
                lambda unit: unit.leases.take(NODES + self.id, owner=self.id, now=now, until=now + LEASE_FOR)
            )
            if fence != self._fence:
                if self._fence is not None:
                    log.warning("node was given up", extra={"node": self.id})
                self._fence, self._since = fence, now

    def leave(self) -> None:
        """Say that this node ends. Raises RecordsUnavailable."""
        with self._lock:
            fence, self._fence, self._since = self._fence, None, None
        if fence is not None:
            self._records.write(lambda unit: unit.leases.give_up(NODES + self.id, fence=fence))

    def living(self, unit: Unit, now: datetime) -> frozenset[str]:
        """The nodes that live, this one among them. ``now`` by the database's clock; an instant that has passed by a
        little takes none for dead that is not."""
        others = frozenset[str]() if self.alone else living_nodes(unit, now)
        return others | {self.id}

    def judges(self, now: datetime) -> bool:
        """Whether this node may take others for dead: only who lived all through the time they would have had. After
        an outage of the database nobody has, and each gets the time to say that it lives."""
        with self._lock:
            return self.alone or (self._since is not None and now - self._since >= LEASE_FOR)

    def tidy(self, unit: Unit, now: datetime) -> int:
        """Forget the leases of nodes that ended long ago; how many."""
        return 0 if self.alone else unit.leases.forget(NODES, before=now - FORGOTTEN_AFTER)


def living_nodes(unit: Unit, now: datetime) -> frozenset[str]:
    """The ids of the nodes that live, ``now`` by the database's clock: whether the site is served at all."""
    return frozenset(name.removeprefix(NODES) for name in unit.leases.living(NODES, now=now))
