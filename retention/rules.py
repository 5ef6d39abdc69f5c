"""When a ticket's files go: rules by class of record, and the policy that picks one. Pure: facts in, a date out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Any, ClassVar, Protocol, Self
from zoneinfo import ZoneInfo

from domain.clock import rfc3339
from domain.disposal import Destiny
from domain.errors import Misconfigured
from domain.ticket import Organisation, Ticket, TicketStatus
from retention.period import Period, first_instant, same_time_on

CUSTOMER = "customer"
OTHER = "other"


class Rule(Protocol):
    """How the date of a class is found."""

    basis: ClassVar[str]
    """The word the configuration uses for what the period counts from."""

    @property
    def period(self) -> Period:
        """How long."""
        ...

    @property
    def words(self) -> str:
        """The rule in one line, as it is stored and shown: period, ``after``, and the fact's name."""
        ...

    def due_at(self, ticket: Ticket, organisation: Organisation | None, zone: ZoneInfo) -> datetime | None:
        """When the files go, in UTC; None: not as long as things are as they are. Raises OverflowError."""
        ...


@dataclass(frozen=True, slots=True)
class AfterContract:
    """Kept while the contract runs and for ``period`` after its last day, that day counted in full."""

    basis: ClassVar[str] = "contract"
    period: Period

    @property
    def words(self) -> str:
        return f"{self.period} after contract_ends_on"

    def due_at(self, ticket: Ticket, organisation: Organisation | None, zone: ZoneInfo) -> datetime | None:
        if organisation is None or organisation.contract_ends_on is None:
            return None
        return first_instant(self.period.after(organisation.contract_ends_on) + timedelta(days=1), zone)


@dataclass(frozen=True, slots=True)
class AfterLastActivity:
    """Kept for ``period`` after the ticket's last activity, to the same time of day in the site's zone."""

    basis: ClassVar[str] = "last-activity"
    period: Period

    @property
    def words(self) -> str:
        return f"{self.period} after last_activity_at"

    def due_at(self, ticket: Ticket, organisation: Organisation | None, zone: ZoneInfo) -> datetime | None:
        return same_time_on(ticket.last_activity_at, zone, self.period)


@dataclass(frozen=True, slots=True)
class AfterClosed:
    """Kept while the ticket is open and for ``period`` after it was closed, to the same time of day."""

    basis: ClassVar[str] = "closed"
    period: Period

    @property
    def words(self) -> str:
        return f"{self.period} after closed_at"

    def due_at(self, ticket: Ticket, organisation: Organisation | None, zone: ZoneInfo) -> datetime | None:
        if ticket.status is not TicketStatus.CLOSED or ticket.closed_at is None:
            return None
        return same_time_on(ticket.closed_at, zone, self.period)


_BY_BASIS: dict[str, type[AfterContract | AfterLastActivity | AfterClosed]] = {
    rule.basis: rule for rule in (AfterContract, AfterLastActivity, AfterClosed)
}


class Policy:
    """The site's rules, one for a class of record. ``decide`` is a ``domain.disposal.Decide``.

    The founding policy: a customer's files while the contract runs and one year after it, anybody else's one year
    after the last activity, days counted in UTC.
    """

    def __init__(self, customers: Rule, others: Rule, zone: ZoneInfo) -> None:
        self._rules: dict[str, Rule] = {CUSTOMER: customers, OTHER: others}
        self.zone = zone

    @classmethod
    def from_mapping(cls, mapping: Mapping[str, Any]) -> Self:
        """The policy of a configuration ``{time_zone, customers, others}``; what is missing is the founding policy's.

        ``customers`` and ``others`` are a period (``"P1Y"``) or ``{period, after}`` with ``after`` one of ``contract``,
        ``last-activity`` and ``closed``. Raises Misconfigured with the key as ``field``.
        """
        for key in mapping:
            if key not in {"time_zone", "customers", "others"}:
                raise Misconfigured(f"retention.{key}: there is no such setting", field=f"retention.{key}")
        name = mapping.get("time_zone", "UTC")
        try:
            zone = ZoneInfo(name)
        except (KeyError, ValueError, OSError, TypeError, AttributeError) as error:  # all that zoneinfo raises
            raise Misconfigured("retention.time_zone: not an IANA time zone", field="retention.time_zone") from error
        return cls(
            _rule("retention.customers", mapping.get("customers", "P1Y"), AfterContract.basis, [*_BY_BASIS]),
            _rule(
                "retention.others",
                mapping.get("others", "P1Y"),
                AfterLastActivity.basis,
                [AfterLastActivity.basis, AfterClosed.basis],
            ),
            zone,
        )

    def rule(self, retention_class: str) -> Rule:
        """The rule of a class."""
        return self._rules[retention_class]

    @property
    def fingerprint(self) -> str:
        """A line that changes where a due date could: stored dates are computed anew when it does."""
        parts = [f"{name}={rule.words}" for name, rule in sorted(self._rules.items())]
        return "; ".join([*parts, f"zone={self.zone.key}"])

    def decide(self, ticket: Ticket, organisation: Organisation | None) -> Destiny:
        """What becomes of a ticket's files, by the facts known now."""
        late = organisation is not None and _opened_after(ticket.opened_at, organisation.contract_ends_on, self.zone)
        retention_class = CUSTOMER if organisation is not None and not late else OTHER
        rule = self._rules[retention_class]
        try:
            due_at = rule.due_at(ticket, organisation, self.zone)
        except OverflowError:  # "9999-12-31" is how some systems say never
            due_at = None
        return Destiny(retention_class, rule.words, due_at, self._facts(ticket, organisation, late=late))

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


def _rule(key: str, value: Any, basis: str, allowed: Sequence[str]) -> Rule:
    if isinstance(value, Mapping):
        for name in value:
            if name not in {"period", "after"}:
                raise Misconfigured(f"{key}.{name}: there is no such setting", field=f"{key}.{name}")
        after = value.get("after", basis)
        value = value.get("period", "P1Y")
        if after not in allowed:
            raise Misconfigured(f"{key}.after: one of {', '.join(allowed)}", field=f"{key}.after")
        basis = str(after)
    if not isinstance(value, str):
        raise Misconfigured(f"{key}: an ISO 8601 period such as P1Y", field=key)
    try:
        return _BY_BASIS[basis](Period.parse(value))
    except ValueError as error:
        raise Misconfigured(f"{key}: {error}", field=key) from error


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
