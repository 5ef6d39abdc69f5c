"""Principals and their credentials: made, used, ended, in the caller's transaction."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from audit import Log
from crypto import Secret, TokenPurpose, is_token, new_id, new_token, open_with_secret, seal_with_secret, token_digest
from domain.actor import EVERYTHING, Actor, Role
from domain.clock import Clock, rfc3339
from domain.errors import BadInput, LinkUnknown, NotFound
from domain.event import Event, EventKind
from domain.ids import OrganisationId, PrincipalId
from storage import Credential, CredentialKind, Principal, Unit

KEY_ROLES = frozenset({Role.AGENT, Role.ADMIN, Role.AUDITOR, Role.CONNECTOR, Role.CONTACT})
PERSON_ROLES = frozenset({Role.AGENT, Role.ADMIN, Role.AUDITOR, Role.CONTACT})
MAX_NAME = 200
FORGOTTEN = "(erased)"
"""The name of somebody whose name was erased."""
SIGN_IN_FOR = timedelta(hours=24)
_LABEL = "principal-name"
_PURPOSES = {CredentialKind.API_KEY: TokenPurpose.API_KEY, CredentialKind.SIGN_IN: TokenPurpose.SIGN_IN}


@dataclass(frozen=True, slots=True)
class Made:
    """A new principal, and the token that proves it: shown this once."""

    principal: Principal
    token: str


class People:
    """Makes and ends credentials. Safe to use from any thread.

    ``idle`` and ``longest``: how long a session lasts unused, and at the most (S-63).
    """

    def __init__(self, log: Log, clock: Clock, secret: Secret, *, idle: timedelta, longest: timedelta) -> None:
        self._log = log
        self._clock = clock
        self._secret = secret
        self._idle = idle
        self._longest = longest

    def make_key(self, unit: Unit, by: Actor, role: Role, name: str, *, organisation_ref: str | None = None) -> Made:
        """A principal with an API key. Raises BadInput; NotFound for an unknown organisation."""
        if role not in KEY_ROLES:
            raise BadInput("There are no keys for this role.", field="role")
        principal = self._principal(unit, role, name, organisation_ref)
        return self._prove(unit, by, principal, CredentialKind.API_KEY, None)

    def make_sign_in(
        self, unit: Unit, by: Actor, role: Role, name: str, *, organisation_ref: str | None = None
    ) -> Made:
        """A person, and the token of a link that signs them in once, within a day. Raises as ``make_key``."""
        if role not in PERSON_ROLES:
            raise BadInput("Nobody signs in in this role.", field="role")
        principal = self._principal(unit, role, name, organisation_ref)
        until = self._clock() + SIGN_IN_FOR
        return self._prove(unit, by, principal, CredentialKind.SIGN_IN, until)

    def sign_in(self, unit: Unit, token: str) -> Made:
        """A session for a one-time sign-in token, which is spent. Raises LinkUnknown for any that does not work."""
        now = self._clock()
        if not is_token(TokenPurpose.SIGN_IN, token):
            raise LinkUnknown
        spent = unit.access.consume(token_digest(token), now=now)
        if spent is None or spent.kind is not CredentialKind.SIGN_IN:
            raise LinkUnknown
        principal = spent.principal
        session = new_token(TokenPurpose.SESSION)
        until = now + self._longest
        idle_at = min(now + self._idle, until)
        digest = token_digest(session)
        unit.access.add_credential(Credential(CredentialKind.SESSION, principal, now, until, idle_at, digest))
        actor = Actor(principal.role, principal.id, principal.organisation_id)
        self._log.append(unit, Event(EventKind.SIGNED_IN, actor, principal.id))
        return Made(principal, session)

    def knows(self, unit: Unit, token: str) -> bool:
        """Whether a sign-in token would work now; nothing is spent."""
        if not is_token(TokenPurpose.SIGN_IN, token):
            return False
        found = unit.access.credential(token_digest(token), now=self._clock())
        return found is not None and found.kind is CredentialKind.SIGN_IN

    def sign_out(self, unit: Unit, credential: Credential, actor: Actor) -> None:
        """End a session at once, on every node."""
        if unit.access.end(credential.digest):
            self._log.append(unit, Event(EventKind.SIGNED_OUT, actor, actor.principal_id))

    def stay(self, unit: Unit, credential: Credential) -> None:
        """A session was used: its idle end moves, never past its last one."""
        idle_at = self._clock() + self._idle
        until = credential.expires_at
        unit.access.touch(credential.digest, idle_at=idle_at if until is None else min(idle_at, until))

    def disable(self, unit: Unit, by: Actor, principal_id: PrincipalId) -> None:
        """End a principal and all its credentials. Raises NotFound."""
        if not unit.access.disable(principal_id, at=self._clock()):
            raise NotFound
        self._log.append(unit, Event(EventKind.CREDENTIAL_REVOKED, by, principal_id))

    def name(self, principal: Principal) -> str:
        """A principal's name in clear. Raises WrongContext."""
        return open_with_secret(self._secret, principal.name_sealed, _LABEL, principal.id.encode()).decode()

    def forget(self, unit: Unit, principal: Principal) -> None:
        """Put a word in the place of the name of somebody who has ended."""
        unit.names.put(principal.id, self._seal(principal.id, FORGOTTEN))

    def _seal(self, principal_id: PrincipalId, name: str) -> bytes:
        return seal_with_secret(self._secret, name.encode(), _LABEL, principal_id.encode())

    def _principal(self, unit: Unit, role: Role, name: str, organisation_ref: str | None) -> Principal:
        name = name.strip()
        if not 1 <= len(name) <= MAX_NAME or not name.isprintable():
            raise BadInput(f"A name of 1 to {MAX_NAME} printable characters is needed.", field="name")
        organisation_id = self._organisation(unit, role, organisation_ref)
        principal_id = PrincipalId(new_id())
        principal = Principal(principal_id, role, organisation_id, self._seal(principal_id, name), self._clock(), None)
        unit.access.add_principal(principal)
        return principal

    @staticmethod
    def _organisation(unit: Unit, role: Role, ref: str | None) -> OrganisationId | None:
        if (role is Role.CONTACT) != (ref is not None):
            raise BadInput("A contact, and nobody else, belongs to an organisation.", field="organisation")
        if ref is None:
            return None
        found = unit.organisations.get(ref, EVERYTHING)
        if found is None:
            raise NotFound("There is no organisation of that name.", field="organisation")
        return found.id

    def _prove(
        self,
        unit: Unit,
        by: Actor,
        principal: Principal,
        kind: CredentialKind,
        expires_at: datetime | None,
    ) -> Made:
        token = new_token(_PURPOSES[kind])
        now = self._clock()
        unit.access.add_credential(Credential(kind, principal, now, expires_at, None, token_digest(token)))
        facts = {
            "kind": kind.value,
            "role": principal.role.value,
            "organisation_id": principal.organisation_id,
            "expires_at": rfc3339(expires_at) if expires_at else None,
        }
        self._log.append(unit, Event(EventKind.CREDENTIAL_MADE, by, principal.id, facts))
        return Made(principal, token)
