"""Generations of the key-encryption key as the records and the log see them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from crypto import Generation, GenerationState


@dataclass(frozen=True, slots=True)
class GenerationView:
    """A generation as ``bilaga keys list`` shows it. ``keys``: how many it wraps now; ``uses``: ever."""

    number: int
    state: GenerationState
    created_at: datetime
    retired_at: datetime | None
    keys: int
    uses: int


def active_of(all_of_them: Sequence[Generation]) -> Generation:
    """The one that wraps."""
    return next(one for one in all_of_them if one.state is GenerationState.ACTIVE)


def retired_at(one: Generation, all_of_them: Sequence[Generation]) -> datetime | None:
    """When the next generation was made; None: this is the newest."""
    return next((other.created_at for other in all_of_them if other.number == one.number + 1), None)


def subject(number: int) -> str:
    """What events about a generation name it."""
    return f"generation-{number}"
