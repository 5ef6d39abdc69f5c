"""All that a key ring holds, opened, in memory: what one ring hands to another when a site moves between them.

It has no encoding on purpose: nothing of it is ever written anywhere but under the next ring's own master key.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from secrets import token_hex
from typing import Protocol

from crypto.hidden import Hidden
from crypto.key_ring import Generation, GenerationState
from crypto.secret import Secret


@dataclass(frozen=True, slots=True)
class OpenedKeys:
    """An installation's keys. ``keks``: those of every generation that is not destroyed; ``secrets`` by purpose."""

    installation: str
    created_at: datetime
    generations: tuple[Generation, ...]
    keks: Mapping[int, Hidden] = field(repr=False)
    secrets: Mapping[str, Secret] = field(repr=False)

    @classmethod
    def new(cls, now: datetime) -> OpenedKeys:
        """A new installation's, with one generation."""
        first = Generation(1, now, GenerationState.ACTIVE)
        return cls(token_hex(16), now, (first,), {1: Hidden.generate()}, {})


class Portable(Protocol):
    """What a ring can do beside ``KeyRing`` so that a site may leave it for another one.

    The ring that is made of it (``create_from`` of its class) is the same installation with the same generations and
    secrets: every wrapped data key opens there as it is.
    """

    def export_document(self) -> OpenedKeys:
        """All keys as they are now. Raises KeysUnavailable."""
        ...
