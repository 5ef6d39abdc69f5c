"""The store of retention policies."""

from __future__ import annotations

from typing import Protocol

from domain.disposal import KeptPolicy, PolicyState
from domain.ids import PolicyId


class Policies(Protocol):
    """Policies by state: at the most one is in force, and at the most one proposed."""

    def put(self, policy: KeptPolicy) -> None:
        """Insert, or replace the row of the same id. Raises StateConflict where another one is in that state."""
        ...

    def in_state(self, state: PolicyState) -> KeptPolicy | None:
        """The policy in force, or the one proposed."""
        ...

    def effective_id(self) -> PolicyId | None:
        """The id of the one in force: what has to be asked often."""
        ...

    def get(self, policy_id: PolicyId) -> KeptPolicy | None:
        """A policy."""
        ...
