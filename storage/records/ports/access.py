"""The store of who may come in: principals, and the credentials that prove them, as digests."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Protocol

from domain.actor import Role
from domain.ids import OrganisationId, PrincipalId


class CredentialKind(StrEnum):
    """What a token proves: an API key's holder, a one-time sign-in, a running session."""

    API_KEY = "api-key"
    SIGN_IN = "sign-in"
    SESSION = "session"


@dataclass(frozen=True, slots=True)
class Principal:
    """Somebody with a role. ``name_sealed`` is sealed under a secret of the site."""

    id: PrincipalId
    role: Role
    organisation_id: OrganisationId | None
    name_sealed: bytes
    created_at: datetime
    disabled_at: datetime | None


@dataclass(frozen=True, slots=True)
class Credential:
    """A token's row. ``idle_at``: a session nobody used until then is over; None: no idle end."""

    kind: CredentialKind
    principal: Principal
    created_at: datetime
    expires_at: datetime | None
    idle_at: datetime | None
    digest: bytes


class Access(Protocol):
    """Principals and credentials."""

    def add_principal(self, principal: Principal) -> None:
        """Keep a principal."""
        ...

    def principals(self, *, after: PrincipalId | None, limit: int) -> Sequence[Principal]:
        """Principals in the order of their ids."""
        ...

    def disable(self, principal_id: PrincipalId, *, at: datetime) -> bool:
        """End a principal and all its credentials at once; False where it had ended."""
        ...

    def add_credential(self, credential: Credential) -> None:
        """Keep a credential under its digest."""
        ...

    def credential(self, digest: bytes, *, now: datetime) -> Credential | None:
        """A credential in force: not expired, not idle, its principal not disabled."""
        ...

    def consume(self, digest: bytes, *, now: datetime) -> Credential | None:
        """As ``credential``, and delete it: a one-time sign-in works once among any number of parallel tries."""
        ...

    def touch(self, digest: bytes, *, idle_at: datetime) -> None:
        """Put off a session's idle end."""
        ...

    def end(self, digest: bytes) -> bool:
        """Delete one credential: signing out."""
        ...


class Names(Protocol):
    """What principals are called."""

    def put(self, principal_id: PrincipalId, name_sealed: bytes) -> None:
        """Put another name in the place of a principal's."""
        ...
