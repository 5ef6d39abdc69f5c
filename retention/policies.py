"""The policy in force, and how it changes: one that brings any date nearer takes two people (S-69).

What is in force is in the records, and not in anybody's configuration: every node and every command goes by the same
one, from one transaction to the next.
"""

from __future__ import annotations

import hashlib
import logging
from dataclasses import replace

from audit import Log
from crypto import new_id
from domain.actor import SYSTEM, Action, Actor, Role
from domain.clock import Clock
from domain.disposal import Decide, KeptPolicy, PolicyState
from domain.errors import NotAllowed, NotFound, StateConflict
from domain.event import Event, EventKind, Scalar
from domain.ids import PolicyId, PrincipalId, TicketId
from retention.change import Change
from retention.policy import Policy
from storage.records import Records, Unit

log = logging.getLogger(__name__)


class Policies:
    """Knows the policy in force and changes it. Safe from any thread. ``configured``: this process's configuration."""

    def __init__(self, journal: Log, clock: Clock, configured: Policy) -> None:
        self.configured = configured
        self._log = journal
        self._clock = clock
        self._known: tuple[PolicyId, Policy] | None = None

    def current(self, unit: Unit) -> Policy:
        """The policy in force in a transaction; of a site that has never followed any, the configured one."""
        policy_id = unit.policies.effective_id()
        if policy_id is None:
            return self.configured
        known = self._known
        if known is None or known[0] != policy_id:
            row = unit.policies.get(policy_id)
            if row is None:
                raise NotFound
            known = self._known = (policy_id, Policy.from_document(row.document))
        return known[1]

    def decide(self, unit: Unit) -> Decide:
        """What ``Facts``, ``Outlook`` and ``Purge`` are given."""
        return self.current(unit).decide

    def is_followed(self, unit: Unit) -> bool:
        """Whether the configured policy is the one in force."""
        return self.current(unit).fingerprint == self.configured.fingerprint

    def follow(self, records: Records) -> bool:
        """Let the configured policy take effect, unless it would bring a date nearer; whether it is in force now.

        A site's first one always does. Tickets that come in meanwhile are looked at in the very transaction.
        """
        known = records.read(lambda unit: unit.policies.in_state(PolicyState.EFFECTIVE))
        if known is not None and known.fingerprint == self.configured.fingerprint:
            return True
        seen: TicketId | None = None
        if known is not None:
            shortens, seen = Change(Policy.from_document(known.document).decide, self.configured.decide).shortens(
                records
            )
            if shortens:
                return self._refuse(known)

        def work(unit: Unit) -> bool:
            now = unit.policies.in_state(PolicyState.EFFECTIVE)
            if now != known:  # another node's configuration was faster
                return now is not None and now.fingerprint == self.configured.fingerprint
            if known is not None:
                change = Change(Policy.from_document(known.document).decide, self.configured.decide)
                if change.shortens_behind(unit, seen):
                    return self._refuse(known)
            self._take_effect(unit, self._row(PolicyState.EFFECTIVE, None), SYSTEM, EventKind.POLICY_FOLLOWED)
            return True

        return records.write(work)

    def proposal(self, unit: Unit) -> KeptPolicy | None:
        """The policy that waits for a second person."""
        return unit.policies.in_state(PolicyState.PROPOSED)

    def propose(self, unit: Unit, actor: Actor) -> KeptPolicy:
        """Propose the configured policy; it takes the place of another proposal. Raises NotAllowed, and StateConflict
        where it is in force already."""
        person = _administrator(actor)
        if self.is_followed(unit):
            raise StateConflict("The configured policy is in force already.")
        self._drop_proposal(unit)
        row = replace(self._row(PolicyState.PROPOSED, actor), proposed_by=person)
        unit.policies.put(row)
        self._log.append(unit, Event(EventKind.POLICY_PROPOSED, actor, row.id, _facts(row)))
        return row

    def confirm(self, unit: Unit, actor: Actor, policy_id: PolicyId) -> KeptPolicy:
        """Let a proposed policy take effect; the dates are computed anew after that. Raises NotAllowed, also for
        whoever proposed it, and StateConflict where there is no such proposal any more."""
        person = _administrator(actor)
        row = self.proposal(unit)
        if row is None or row.id != policy_id:
            raise StateConflict("There is no such proposal any more.")
        if row.proposed_by is None or row.proposed_by == person:
            raise NotAllowed("Another person than the one who proposed it has to confirm it.", action="confirm-policy")
        confirmed = replace(row, confirmed_by=person)
        self._take_effect(unit, confirmed, actor, EventKind.POLICY_CONFIRMED)
        return confirmed

    def _row(self, state: PolicyState, actor: Actor | None) -> KeptPolicy:
        return KeptPolicy(
            id=PolicyId(new_id()),
            document=self.configured.document,
            fingerprint=self.configured.fingerprint,
            state=state,
            proposed_by=None if actor is None else actor.principal_id,
            proposed_at=self._clock(),
            confirmed_by=None,
            confirmed_at=None,
        )

    def _take_effect(self, unit: Unit, row: KeptPolicy, actor: Actor, kind: EventKind) -> None:
        before = unit.policies.in_state(PolicyState.EFFECTIVE)
        if before is not None:
            unit.policies.put(replace(before, state=PolicyState.PAST))
        # What somebody proposed was another change than it would be now.
        self._drop_proposal(unit, but=row.id)
        unit.policies.put(replace(row, state=PolicyState.EFFECTIVE, confirmed_at=self._clock()))
        facts = {**_facts(row), "proposed_by": row.proposed_by, "replaces": before.id if before else None}
        self._log.append(unit, Event(kind, actor, row.id, facts))

    def _drop_proposal(self, unit: Unit, *, but: PolicyId | None = None) -> None:
        waiting = self.proposal(unit)
        if waiting is not None and waiting.id != but:
            unit.policies.put(replace(waiting, state=PolicyState.DROPPED))

    def _refuse(self, known: KeptPolicy) -> bool:
        log.error("retention policy unconfirmed", extra={"in_force": known.id})
        return False


def _administrator(actor: Actor) -> PrincipalId:
    """The id of an administrator: a proposal and its confirmation are people's, never the system's."""
    actor.scope(Action.PURGE)
    if actor.role is not Role.ADMIN or actor.principal_id is None:
        raise NotAllowed(action=Action.PURGE.value)
    return actor.principal_id


def _facts(row: KeptPolicy) -> dict[str, Scalar]:
    return {"document_sha256": hashlib.sha256(row.document.encode()).hexdigest()}
