"""What ticket systems call us with: checked, written down as tickets to look at, and nothing else (S-66, S-67)."""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Mapping
from datetime import timedelta

from domain.actor import SYSTEM
from domain.clock import Clock
from domain.errors import BadInput, NotFound
from storage.records import Records, Unit
from tickets.connectors import Connectors
from tickets.desk import Delivery, Hint
from tickets.facts import Facts

log = logging.getLogger(__name__)
MOST_IDS = 100
LONGEST_ID = 255
KEPT = timedelta(days=7)
"""How long a delivery is known again (S-66)."""


class Hooks:
    """Takes deliveries. Safe from any thread and on any number of nodes."""

    def __init__(self, records: Records, facts: Facts, clock: Clock, connectors: Connectors) -> None:
        self._records = records
        self._facts = facts
        self._clock = clock
        self._connectors = connectors

    def take(self, name: str, headers: Mapping[str, str], body: bytes) -> None:
        """A delivery; once this returns, what it hinted at is looked at whatever happens. ``headers`` by lower-case
        name. Raises NotFound where no such connector has webhooks, LoginRequired for a bad or missing signature or
        secret, BadInput for a body that says nothing.
        """
        if name not in self._connectors.frames:
            raise NotFound
        row = self._records.read(lambda unit: unit.connectors.get(name))
        hook = self._connectors.open(name, 0 if row is None else row.secret_number).hook
        if hook is None:
            raise NotFound
        delivery = Delivery(headers, body, self._clock())
        hint = hook.hint(delivery)
        ids = [source_id for source_id in dict.fromkeys(hint.ticket_ids) if source_id]
        if len(ids) > MOST_IDS or any(len(source_id) > LONGEST_ID for source_id in ids):
            raise BadInput("More tickets, or longer ids, than one delivery may name.")
        self._records.write(lambda unit: self._keep(unit, name, hint, ids, delivery))

    def sweep(self, unit: Unit) -> int:
        """Forget deliveries that nobody will repeat any more."""
        return unit.hints.sweep(self._clock() - KEPT)

    def _keep(self, unit: Unit, name: str, hint: Hint, ids: list[str], delivery: Delivery) -> None:
        now = delivery.received_at
        if hint.key is not None and not unit.hints.first(name, hashlib.sha256(hint.key.encode()).digest(), now=now):
            return  # it came before, and was kept
        unit.hints.add(name, ids, now=now)
        # Taken as said only from systems whose word is signed and that have no API to ask.
        for organisation in hint.organisations:
            self._facts.take_organisation(unit, SYSTEM, organisation, read_at=now)
        for source in hint.facts:
            self._facts.apply(unit, SYSTEM, name, source, read_at=now)
