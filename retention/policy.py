"""The policy of a site: its rules, its zone, and what they make of a ticket."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Any, Self
from zoneinfo import ZoneInfo

from domain.clock import rfc3339
from domain.disposal import Decide, Destiny
from domain.ticket import Organisation, Ticket
from retention.configuration import Read, read, written
from retention.period import Period
from retention.rules import CUSTOMER, OTHER, Rule, Verdict, weigh


@dataclass(frozen=True, slots=True)
class Policy:
    """The site's rules, in the order of the configuration, those of its short form first. ``decide`` is a
    ``domain.disposal.Decide``.

    The founding policy: a customer's files while the contract runs and one year after it, anybody else's one year
    after the last activity, days counted in UTC.
    """

    rules: Sequence[Rule]
    zone: ZoneInfo
    hold_review: Period
    """How long after a hold was placed somebody looks at it again, where no day was given."""

    @classmethod
    def from_mapping(cls, mapping: Mapping[str, Any]) -> Self:
        """The policy of a configuration ``{time_zone, customers, others, rules, hold_review}``; what is missing is the
        founding policy's. Raises Misconfigured with the key as ``field``.
        """
        found: Read = read(mapping)
        return cls(found.rules, found.zone, found.hold_review)

    @classmethod
    def from_document(cls, document: str) -> Self:
        """The policy of a ``document`` that was kept."""
        return cls.from_mapping(json.loads(document))

    @property
    def document(self) -> str:
        """All that dates depend on, in the words of the configuration, as canonical JSON."""
        return json.dumps(written(self.rules, self.zone), ensure_ascii=False, sort_keys=True, separators=(",", ":"))

    @property
    def fingerprint(self) -> str:
        """A line that changes where a due date could: stored dates are computed anew when it does."""
        said = written(self.rules, self.zone)
        parts = [
            f"{name}={rule.words}" + (f" by {rule.ground}" if "ground" in said[key] else "")
            for rule, name, key in zip(self.rules, (CUSTOMER, OTHER), ("customers", "others"), strict=False)
        ]
        if "deleted" in said:
            parts.append(f"deleted={said['deleted']}")
        more = [json.dumps(one, ensure_ascii=False, sort_keys=True) for one in said.get("rules", ())]
        return "; ".join([*parts, *more, f"zone={self.zone.key}"])

    def of(self, unit: object) -> Decide:
        """This very policy, whatever the records of a unit of work say is in force."""
        return self.decide

    def decide(self, ticket: Ticket, organisation: Organisation | None) -> Destiny:
        """What becomes of a ticket's files, by the facts known now."""
        late = organisation is not None and _opened_after(ticket.opened_at, organisation.contract_ends_on, self.zone)
        retention_class = CUSTOMER if organisation is not None and not late else OTHER
        rules = [rule for rule in self.rules if rule.conditions.match(ticket, organisation, retention_class)]
        verdict = weigh(rules, ticket, organisation, self.zone)
        facts = self._facts(ticket, organisation, late=late)
        return Destiny(retention_class, verdict.rule.words, verdict.due_at, facts | _judged(verdict))

    def _facts(self, ticket: Ticket, organisation: Organisation | None, *, late: bool) -> dict[str, str | None]:
        facts: dict[str, str | None] = {
            "time_zone": self.zone.key,
            "status": ticket.status.value,
            "opened_at": rfc3339(ticket.opened_at) if ticket.opened_at else None,
            "last_activity_at": rfc3339(ticket.last_activity_at),
            "closed_at": rfc3339(ticket.closed_at) if ticket.closed_at else None,
            "organisation_id": organisation.id if organisation else None,
        }
        if organisation is not None:
            ends_on = organisation.contract_ends_on
            facts["contract_ends_on"] = ends_on.isoformat() if ends_on else None
            facts["contract"] = _contract(organisation, late=late)
        return facts


def _judged(verdict: Verdict) -> dict[str, str | None]:
    """The rule that won and on what ground, and those that lost. Names, no conditions: a tag could say too much."""
    return {
        "rule": verdict.rule.name,
        "ground": verdict.rule.ground.value,
        "decision": verdict.rule.decision,
        "lost": ", ".join(rule.name for rule in verdict.lost) or None,
    }


def _opened_after(opened_at: datetime | None, last_day: date | None, zone: ZoneInfo) -> bool:
    if opened_at is None or last_day is None:
        return False
    try:
        return opened_at.astimezone(zone).date() > last_day
    except OverflowError:  # at either end of the calendar the zone makes no difference
        return opened_at.astimezone(UTC).date() > last_day


def _contract(organisation: Organisation, *, late: bool) -> str:
    if late:
        return "ended before the ticket was opened"
    if organisation.contract_ends_on is not None:
        return "ends"
    return "runs on" if organisation.name is not None else "its end is not known"
