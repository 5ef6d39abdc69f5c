"""How far a walk through Freshdesk's lists has come: the cursor, and where it leads next.

Lists are cut at 300 pages, and shift while tickets change: so a page is asked for by the time of the last ticket of the
page before. Where one second has more tickets than a page, its pages are read forward and back again. Trash and spam
are lists of their own, walked through now and then, for no rule of automation tells of them.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

from domain.errors import BadInput
from tickets.answers import instant
from tickets.freshdesk_facts import written

PER_PAGE = 100
MOST_PAGES = 300
BEGINNING = datetime(2000, 1, 1, tzinfo=UTC)
"""Without ``updated_since`` only tickets of the last 30 days are listed."""
OVERLAP = timedelta(seconds=60)
"""How much is asked for twice: what was being saved when the end of the list was read."""
SWEEP_EVERY = timedelta(hours=1)
SWEEPS = ("deleted", "spam")
_SECOND = timedelta(seconds=1)


@dataclass(frozen=True, slots=True)
class Place:
    """``sweep``: the list that is walked, None: the changed ones. ``swept_at``: when the others were last walked."""

    since: datetime = BEGINNING
    page: int = 1
    sweep: str | None = None
    swept_at: datetime | None = None

    @classmethod
    def parse(cls, cursor: str | None) -> Place:
        """Raises BadInput for what no cursor of ours is."""
        if cursor is None:
            return cls()
        try:
            said = json.loads(cursor)
            since, sweep = instant(said["since"]), said.get("sweep")
            if since is None or sweep not in {None, *SWEEPS}:
                raise ValueError(cursor)
            return cls(since, int(said["page"]), sweep, instant(said.get("swept_at")))
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise BadInput("This is no place in Freshdesk's lists.", field="cursor") from error

    def __str__(self) -> str:
        swept_at = None if self.swept_at is None else written(self.swept_at)
        return json.dumps({"since": written(self.since), "page": self.page, "sweep": self.sweep, "swept_at": swept_at})

    @property
    def query(self) -> dict[str, str | int]:
        """What to ask for at this place."""
        asked: dict[str, str | int] = {
            "order_by": "updated_at",
            "order_type": "asc",
            "per_page": PER_PAGE,
            "page": self.page,
            "include": "requester,stats",
            "updated_since": written(BEGINNING if self.sweep else self.since),
        }
        return {**asked, "filter": self.sweep} if self.sweep else asked

    def after(self, newest: datetime | None, *, more: bool, now: datetime | None) -> tuple[Place, bool]:
        """The next place, and whether that was all for now. ``newest``: the last change on this page; ``more``: the
        list goes on; ``now``: by the system's clock, None where it does not say."""
        if self.sweep is not None:
            return self._after_sweep(more=more, now=now)
        if more and newest is not None:
            return self._further(newest), False
        since = self.since if newest is None else max(self.since, newest - OVERLAP)
        done = replace(self, since=since, page=1)
        if now is None or self.swept_at is None or not self.swept_at <= now < self.swept_at + SWEEP_EVERY:
            return replace(done, sweep=SWEEPS[0]), False
        return done, True

    def is_crowded(self, newest: datetime | None, *, more: bool) -> bool:
        """Whether the tickets of one second go on behind this page."""
        return self.sweep is None and more and newest is not None and newest - _SECOND <= self.since

    def _further(self, newest: datetime) -> Place:
        # From a second before the last one: it may have more tickets than this page had room for.
        return replace(self, since=max(newest - _SECOND, self.since + _SECOND), page=1)

    def _after_sweep(self, *, more: bool, now: datetime | None) -> tuple[Place, bool]:
        if more and self.page < MOST_PAGES:
            return replace(self, page=self.page + 1), False
        following = dict(zip(SWEEPS, (*SWEEPS[1:], None), strict=True))[self.sweep or SWEEPS[-1]]
        if following is not None:
            return replace(self, sweep=following, page=1), False
        return replace(self, sweep=None, page=1, swept_at=now), True
