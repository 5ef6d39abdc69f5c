"""How nodes purge together: one leads, having asked the brakes, and leaves a mark that others may join it by (S-72)."""

from __future__ import annotations

from datetime import datetime

from domain.clock import rfc3339
from keys import Lease
from storage.records import Unit

JOINERS = tuple(f"purge-{number}" for number in range(2, 10))
"""The leases of those who help: each needs one, so that its effects are fenced as the leader's are (S-71)."""
_MARK = "purge-led"


def say_led(unit: Unit, lease: Lease, now: datetime) -> None:
    """Say that no brake holds what is due at that instant. Raises LeaseLost."""
    lease.guard(unit)
    unit.site.put(_MARK, f"{lease.fence} {rfc3339(now)}")


def led(unit: Unit, leading: str, now: datetime) -> datetime | None:
    """The instant up to which a run that is still alive may purge; None: no run, or none that asked the brakes yet."""
    said = unit.site.get(_MARK)
    if said is None:
        return None
    fence, _, at = said.partition(" ")
    return datetime.fromisoformat(at) if unit.leases.holds(leading, fence=int(fence), now=now) else None
