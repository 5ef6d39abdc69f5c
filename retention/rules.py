"""Rules of retention: for which tickets, how long, and on what ground, and which one wins. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from zoneinfo import ZoneInfo

from domain.ticket import Organisation, Standing, Ticket
from retention.spans import Span

CUSTOMER = "customer"
OTHER = "other"
_NEVER = datetime.max.replace(tzinfo=UTC)


class Ground(StrEnum):
    """Why something is kept so long. What law or contract demand is a least time, what policy says is a most."""

    LAW = "law"
    CONTRACT = "contract"
    POLICY = "policy"


@dataclass(frozen=True, slots=True)
class Conditions:
    """Which tickets a rule is for. None: whichever; else one of the words has to be the ticket's. All must match.

    Channels and tags are compared without regard to case: a rule must not miss what somebody wrote otherwise.
    """

    classes: frozenset[str] | None = None
    channels: frozenset[str] | None = None
    connectors: frozenset[str] | None = None
    tags: frozenset[str] | None = None
    organisations: frozenset[str] | None = None
    standings: frozenset[Standing] | None = None
    """Where the ticket stands in its own system: for the rule of deleted ones alone, no configuration names it."""

    def match(self, ticket: Ticket, organisation: Organisation | None, retention_class: str) -> bool:
        """Whether the rule is for that ticket."""
        return (
            (self.classes is None or retention_class in self.classes)
            and (self.channels is None or (ticket.channel or "").casefold() in self.channels)
            and (self.connectors is None or ticket.connector in self.connectors)
            and (self.tags is None or not self.tags.isdisjoint(tag.casefold() for tag in ticket.tags))
            and (self.standings is None or ticket.standing in self.standings)
            and (self.organisations is None or (organisation is not None and organisation.ref in self.organisations))
        )


@dataclass(frozen=True, slots=True)
class Rule:
    """One rule. ``decision``: a reference to what it rests on (a statute, a contract, a disposal authority)."""

    name: str
    span: Span
    ground: Ground
    conditions: Conditions = Conditions()
    decision: str | None = None
    short: bool = False
    """Whether it is one of the two that the configuration's short form makes: they are known by their span alone."""

    @property
    def words(self) -> str:
        """The rule in one line, as it is stored and shown."""
        return self.span.words if self.short else f"{self.name}: {self.span.words}"

    def due_at(self, ticket: Ticket, organisation: Organisation | None, zone: ZoneInfo) -> datetime | None:
        """When the files go, in UTC; None: not as long as things are as they are."""
        try:
            return self.span.due_at(ticket, organisation, zone)
        except OverflowError:  # "9999-12-31" is how some systems say never
            return None


@dataclass(frozen=True, slots=True)
class Verdict:
    """What the rules that are for a ticket come to."""

    rule: Rule
    due_at: datetime | None
    lost: Sequence[Rule]


def weigh(rules: Sequence[Rule], ticket: Ticket, organisation: Organisation | None, zone: ZoneInfo) -> Verdict:
    """The longest of those that law or contract ground, else the shortest; of equals the one named first.

    No date counts as the longest. ``rules``: those that are for the ticket, one at the least.
    """
    dated = [(rule, rule.due_at(ticket, organisation, zone)) for rule in rules]
    demanded = [(rule, due_at) for rule, due_at in dated if rule.ground is not Ground.POLICY]
    if demanded:
        rule, due_at = max(demanded, key=lambda one: one[1] or _NEVER)
    else:
        rule, due_at = min(dated, key=lambda one: one[1] or _NEVER)
    return Verdict(rule, due_at, [one for one in rules if one is not rule])
