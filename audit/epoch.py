"""Epochs: a log that was put back from a backup goes on under an origin of its own, so that for no size of any origin
two roots are ever signed (S-89).

The tree stays one, from the first entry of all. The entry ``site.restored`` is the first of its epoch and names the
point that the log before it was last known to have reached; checkpoints over it and what follows have its origin.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from domain.errors import ChainBroken
from domain.event import EventKind, Scalar
from storage.records import JournalEntry, JournalFilter, Unit

_PAGE = 100


@dataclass(frozen=True, slots=True)
class Epoch:
    """``start``: the index of its first entry. ``after``: origin, size and root of what was given up for it."""

    origin: str
    start: int = 0
    after: tuple[str, int, bytes] | None = None


def epochs(unit: Unit, base: str, size: int) -> Iterator[Epoch]:
    """The epochs of the first ``size`` entries, newest first; the last one is the log as it began. Raises ChainBroken.

    ``base`` is the origin of the log as it began.
    """
    what = JournalFilter(kind=EventKind.SITE_RESTORED.value)
    while found := unit.journal.find(what, before=size, limit=_PAGE):
        yield from (epoch_of(entry, base) for entry in found)
        size = found[-1].index
    yield Epoch(base)


def epoch_of(entry: JournalEntry, base: str) -> Epoch:
    """The epoch that an entry ``site.restored`` begins. Raises ChainBroken."""
    try:
        facts: dict[str, Any] = json.loads(entry.body)["facts"]
        origin, after = facts["origin"], None
        if facts["old_origin"] is not None:
            after = (facts["old_origin"], int(facts["old_size"]), bytes.fromhex(facts["old_root"]))
        if not origin.startswith(f"{base}/"):
            raise ValueError(origin)
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise ChainBroken("an entry that begins an epoch is malformed") from error
    return Epoch(origin, entry.index, after)


def facts_of(origin: str, after: tuple[str, int, bytes] | None) -> dict[str, Scalar]:
    """What ``epoch_of`` reads."""
    old_origin, size, root = after or (None, None, None)
    return {"origin": origin, "old_origin": old_origin, "old_size": size, "old_root": root.hex() if root else None}
