"""The store of links by whom they name: what is sent to a person is found by it, and forgotten."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Protocol

from domain.ids import LinkId
from domain.link import Link


class Recipients(Protocol):
    """Links that name a recipient, by the keyed digest of the address. No scope: those who ask answer for all of it."""

    def of(self, digest: bytes, *, after: LinkId | None, limit: int) -> Sequence[Link]:
        """Links that name whoever has that digest, dead ones too, in the order of their ids."""
        ...

    def unindexed(self, *, after: LinkId | None, limit: int) -> Sequence[Link]:
        """Links whose recipient has no digest yet: a release made them that knew none."""
        ...

    def index(self, link_id: LinkId, digest: bytes) -> None:
        """Keep the digest of a link's recipient, if it still names one."""
        ...

    def erase(self, link_id: LinkId, *, at: datetime) -> bool:
        """End a link, its grants and its code, and empty whom it names; False where it names nobody any more."""
        ...
