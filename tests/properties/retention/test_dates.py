"""Due dates of random histories against an oracle of a few lines that shares only the calendar with the rules."""

from __future__ import annotations

from calendar import monthrange
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as some

from domain.ids import OrganisationId, TicketId
from domain.ticket import Organisation, Ticket, TicketStatus
from retention import Policy

ZONES = [
    "UTC", "Europe/Stockholm", "America/New_York", "America/Sao_Paulo", "Asia/Beirut", "Asia/Kathmandu",
    "Australia/Lord_Howe", "Pacific/Apia", "Pacific/Auckland", "America/St_Johns",
]  # fmt: skip
FIRST, LAST = datetime(1990, 1, 1, tzinfo=UTC), datetime(2090, 1, 1, tzinfo=UTC)


def later(day: date, years: int, months: int, days: int) -> date:
    """The oracle's calendar: months as one number, clamped by the month's own length, then days."""
    year, month = divmod(day.year * 12 + day.month - 1 + years * 12 + months, 12)
    return date(year, month + 1, min(day.day, monthrange(year, month + 1)[1])) + timedelta(days=days)


def first_at_or_after(local: datetime, zone: ZoneInfo) -> datetime:
    """The oracle's clock: the first minute at which the zone's clocks show that time or a later one."""
    at = local.replace(tzinfo=UTC) - timedelta(hours=30)
    while at.astimezone(zone).replace(tzinfo=None) < local:
        at += timedelta(minutes=15)
    while (at - timedelta(minutes=1)).astimezone(zone).replace(tzinfo=None) >= local:
        at -= timedelta(minutes=1)
    return at


def ticket(active: datetime, opened: datetime | None) -> Ticket:
    return Ticket(
        TicketId("t"), "T", None, TicketStatus.OPEN, None, None, None, None, opened, active, None, None,
        active, "", "", None, active, None, 1,
    )  # fmt: skip


instants = some.datetimes(FIRST.replace(tzinfo=None), LAST.replace(tzinfo=None)).map(lambda at: at.replace(tzinfo=UTC))
minutes = instants.map(lambda at: at.replace(second=0, microsecond=0))
dates = some.dates(FIRST.date(), LAST.date()) | some.sampled_from(
    [date(2024, 2, 29), date(2023, 2, 28), date(2026, 1, 31), date(2011, 12, 29), date(2022, 3, 25), date(2018, 11, 3)]
)
periods = some.tuples(some.integers(0, 30), some.integers(0, 40), some.integers(0, 500)).filter(any)


def policy_of(zone: str, years: int, months: int, days: int) -> Policy:
    text = f"P{years}Y{months}M{days}D"
    return Policy.from_mapping({"time_zone": zone, "customers": text, "others": text})


@settings(max_examples=300, deadline=None)
@given(some.sampled_from(ZONES), periods, dates)
@example("Europe/Stockholm", (1, 0, 0), date(2024, 2, 29))
@example("Asia/Beirut", (0, 0, 1), date(2022, 3, 25))
@example("America/Sao_Paulo", (0, 0, 1), date(2018, 11, 2))
def test_a_customers_files_go_when_the_day_after_begins(zone, period, ends_on):
    customer = Organisation(OrganisationId("o"), "o", "O", ends_on, FIRST, FIRST)
    due = policy_of(zone, *period).decide(ticket(FIRST, None), customer).due_at
    day = later(ends_on, *period) + timedelta(days=1)
    assert due == first_at_or_after(datetime.combine(day, time.min), ZoneInfo(zone))


@settings(max_examples=300, deadline=None)
@given(some.sampled_from(ZONES), periods, minutes)
@example("Europe/Stockholm", (0, 0, 1), datetime(2026, 3, 28, 1, 30, tzinfo=UTC))
@example("Europe/Stockholm", (0, 1, 0), datetime(2026, 1, 31, 23, 30, tzinfo=UTC))
def test_others_files_go_at_the_same_time_of_day(zone, period, active):
    due = policy_of(zone, *period).decide(ticket(active, None), None).due_at
    assert due is not None
    was, becomes = active.astimezone(ZoneInfo(zone)), due.astimezone(ZoneInfo(zone))
    wanted = datetime.combine(later(was.date(), *period), was.time())
    shown = becomes.replace(tzinfo=None)
    if shown != wanted:  # the clocks leave that time out: it comes as much later as they jump
        assert first_at_or_after(wanted, ZoneInfo(zone)) <= due
        assert timedelta() < shown - wanted <= timedelta(days=1)


@settings(max_examples=300, deadline=None)
@given(some.sampled_from(ZONES), periods, dates, minutes | some.none(), minutes)
def test_whose_file_it_is_depends_on_the_day_the_ticket_was_opened(zone, period, ends_on, opened, active):
    customer = Organisation(OrganisationId("o"), "o", "O", ends_on, FIRST, FIRST)
    policy = policy_of(zone, *period)
    destiny = policy.decide(ticket(active, opened), customer)
    late = opened is not None and opened.astimezone(ZoneInfo(zone)).date() > ends_on
    assert destiny.retention_class == ("other" if late else "customer")
    assert destiny == policy.decide(ticket(active, opened), customer)
    if late:
        assert destiny.due_at == policy.decide(ticket(active, opened), None).due_at


@settings(max_examples=200, deadline=None)
@given(some.sampled_from(ZONES), periods, some.lists(dates, min_size=2, max_size=2).map(sorted))
def test_a_longer_contract_never_brings_the_end_nearer(zone, period, ends):
    policy = policy_of(zone, *period)
    due = [
        policy.decide(ticket(FIRST, None), Organisation(OrganisationId("o"), "o", "O", day, FIRST, FIRST)).due_at
        for day in ends
    ]
    assert due[0] is not None
    assert due[1] is not None
    assert due[0] <= due[1]


@pytest.mark.parametrize("zone", ZONES)
def test_a_contract_without_an_end_is_never_due(zone):
    customer = Organisation(OrganisationId("o"), "o", "O", None, FIRST, FIRST)
    assert policy_of(zone, 1, 0, 0).decide(ticket(FIRST, FIRST), customer).due_at is None
