"""Dates by hand: month ends, leap days, clocks that jump, and words in a configuration that mean nothing."""

from __future__ import annotations

from datetime import UTC, date, datetime
from zoneinfo import ZoneInfo

import pytest

from domain.errors import Misconfigured
from domain.ids import OrganisationId, TicketId
from domain.ticket import Organisation, Ticket, TicketStatus
from retention import AfterClosed, AfterContract, AfterLastActivity, Period, Policy

AT = datetime(2024, 2, 29, 12, 0, tzinfo=UTC)


A_RULE = {"name": "a", "keep": "P2Y", "after": "closed", "ground": "law"}


def ticket(last_activity_at=AT, opened_at=None, status=TicketStatus.OPEN, closed_at=None, **more):
    return Ticket(
        id=TicketId("t"),
        ref="T",
        organisation_id=None,
        status=status,
        subject_sealed=None,
        requester_email_sealed=None,
        requester_email_digest=None,
        requester_name_sealed=None,
        opened_at=opened_at,
        last_activity_at=last_activity_at,
        closed_at=closed_at,
        channel=more.pop("channel", None),
        facts_at=AT,
        retention_class="",
        retention_rule="",
        purge_due_at=None,
        created_at=AT,
        erased_at=None,
        version=1,
        **more,
    )


def organisation(ends_on, name="Acme"):
    return Organisation(OrganisationId("o"), "acme", name, ends_on, AT, AT)


@pytest.mark.parametrize(
    ("text", "day", "after"),
    [
        ("P1M", date(2026, 1, 31), date(2026, 2, 28)),
        ("P1M", date(2024, 1, 31), date(2024, 2, 29)),
        ("P1Y", date(2024, 2, 29), date(2025, 2, 28)),
        ("P4Y", date(2024, 2, 29), date(2028, 2, 29)),
        ("P12M", date(2024, 2, 29), date(2025, 2, 28)),
        ("P13M", date(2025, 11, 30), date(2026, 12, 30)),
        ("P1Y6M", date(2026, 8, 31), date(2028, 2, 29)),
        ("P2W", date(2026, 2, 20), date(2026, 3, 6)),
        ("P1M1D", date(2026, 1, 31), date(2026, 3, 1)),
        ("P90D", date(2026, 11, 24), date(2027, 2, 22)),
        ("P1Y2W", date(2026, 12, 24), date(2028, 1, 7)),
    ],
)
def test_a_period_is_added_as_people_count(text, day, after):
    assert Period.parse(text).after(day) == after


@pytest.mark.parametrize(
    "text",
    ["", "P", "1Y", "p1y", "P0D", "P0Y0M", "-P1Y", "P-1Y", "P0.5Y", "P1,5M", "PT1H", "P1DT1H", "P1Y ", " P1Y",
     "P1001Y", "P12012M", "P999999999D", "P1Y1Y", "P0001-00-00", "one year", "P١Y", "P1YT"],
)  # fmt: skip
def test_what_no_calendar_can_add_is_no_period(text):
    with pytest.raises(ValueError):
        Period.parse(text)


def test_a_contracts_last_day_counts_in_full_in_the_sites_zone():
    rule = AfterContract(Period.parse("P1Y"))
    due = lambda zone: rule.due_at(ticket(), organisation(date(2026, 3, 31)), ZoneInfo(zone))  # noqa: E731
    assert due("Europe/Stockholm") == datetime(2027, 3, 31, 22, 0, tzinfo=UTC)
    assert due("UTC") == datetime(2027, 4, 1, tzinfo=UTC)
    assert due("Pacific/Auckland") == datetime(2027, 3, 31, 11, 0, tzinfo=UTC)


def test_a_day_begins_where_the_clocks_begin_it():
    rule = AfterContract(Period.parse("P1D"))
    # In Beirut the clocks went from 0:00 to 1:00 on 26 March 2022 … the day began at 22:00 UTC.
    due = rule.due_at(ticket(), organisation(date(2022, 3, 25)), ZoneInfo("Asia/Beirut"))
    assert due == datetime(2022, 3, 26, 22, 0, tzinfo=UTC)


def test_no_end_of_contract_means_no_date():
    rule = AfterContract(Period.parse("P1Y"))
    assert rule.due_at(ticket(), organisation(None), ZoneInfo("UTC")) is None


def test_last_activity_keeps_its_time_of_day_over_a_change_of_clocks():
    rule = AfterLastActivity(Period.parse("P6M"))
    winter = ticket(datetime(2026, 1, 15, 8, 30, 5, 7, tzinfo=UTC))  # 9:30 in Stockholm
    assert rule.due_at(winter, None, ZoneInfo("Europe/Stockholm")) == datetime(2026, 7, 15, 7, 30, 5, 7, tzinfo=UTC)


def test_a_time_of_day_that_does_not_come_comes_later_and_never_earlier():
    rule = AfterLastActivity(Period.parse("P1D"))
    # 2:30 on 28 March 2026 in Stockholm; on the 29th the clocks go from 2:00 to 3:00.
    due = rule.due_at(ticket(datetime(2026, 3, 28, 1, 30, tzinfo=UTC)), None, ZoneInfo("Europe/Stockholm"))
    assert due == datetime(2026, 3, 29, 1, 30, tzinfo=UTC)


def test_the_second_of_two_times_moved_to_where_there_is_none_comes_later_too():
    rule = AfterLastActivity(Period.parse("P5M3D"))
    # 2:30 for the second time on 25 October 2026 in Stockholm; on 28 March 2027 there is no 2:30.
    due = rule.due_at(ticket(datetime(2026, 10, 25, 1, 30, tzinfo=UTC)), None, ZoneInfo("Europe/Stockholm"))
    assert due == datetime(2027, 3, 28, 1, 30, tzinfo=UTC)


def test_a_day_in_the_zone_is_counted_not_one_in_utc():
    rule = AfterLastActivity(Period.parse("P1M"))
    # 31 January 23:30 UTC is 1 February in Stockholm, so a month later is 1 March there.
    due = rule.due_at(ticket(datetime(2026, 1, 31, 23, 30, tzinfo=UTC)), None, ZoneInfo("Europe/Stockholm"))
    assert due == datetime(2026, 2, 28, 23, 30, tzinfo=UTC)


def test_an_open_ticket_is_not_due_by_its_closing():
    rule = AfterClosed(Period.parse("P1Y"))
    zone = ZoneInfo("UTC")
    assert rule.due_at(ticket(status=TicketStatus.PENDING, closed_at=AT), None, zone) is None
    closed = ticket(status=TicketStatus.CLOSED, closed_at=AT)
    assert rule.due_at(closed, None, zone) == datetime(2025, 2, 28, 12, 0, tzinfo=UTC)


def test_the_founding_policy():
    policy = Policy.from_mapping({"time_zone": "Europe/Stockholm"})
    running = policy.decide(ticket(), organisation(None))
    assert (running.retention_class, running.due_at, running.rule) == ("customer", None, "P1Y after contract_ends_on")
    ended = policy.decide(ticket(), organisation(date(2026, 12, 31)))
    assert (ended.retention_class, ended.due_at) == ("customer", datetime(2027, 12, 31, 23, 0, tzinfo=UTC))
    nobody = policy.decide(ticket(), None)
    assert (nobody.retention_class, nobody.due_at) == ("other", datetime(2025, 2, 28, 12, 0, tzinfo=UTC))
    assert nobody.rule == "P1Y after last_activity_at"


def test_a_ticket_opened_after_the_contracts_last_day_is_no_customers():
    policy = Policy.from_mapping({"time_zone": "Europe/Stockholm"})
    last_day = organisation(date(2024, 2, 28))
    # 23:30 in Stockholm on the last day, and half an hour later
    on_it = policy.decide(ticket(opened_at=datetime(2024, 2, 28, 22, 30, tzinfo=UTC)), last_day)
    past_it = policy.decide(ticket(opened_at=datetime(2024, 2, 28, 23, 0, tzinfo=UTC)), last_day)
    assert (on_it.retention_class, past_it.retention_class) == ("customer", "other")
    assert past_it.facts["contract"] == "ended before the ticket was opened"
    assert policy.decide(ticket(opened_at=None), last_day).retention_class == "customer"


def test_never_as_some_systems_write_it_is_never():
    policy = Policy.from_mapping({"time_zone": "Europe/Stockholm"})
    assert policy.decide(ticket(), organisation(date(9999, 12, 31))).due_at is None
    assert policy.decide(ticket(), organisation(date(9997, 12, 31))).due_at is not None


def test_facts_are_what_the_date_came_from():
    facts = (
        Policy.from_mapping({"time_zone": "Europe/Stockholm"}).decide(ticket(), organisation(date(2026, 1, 31))).facts
    )
    assert facts == {
        "time_zone": "Europe/Stockholm",
        "status": "open",
        "opened_at": None,
        "last_activity_at": "2024-02-29T12:00:00Z",
        "closed_at": None,
        "organisation_id": "o",
        "contract_ends_on": "2026-01-31",
        "contract": "ends",
        "rule": "customers",
        "ground": "contract",
        "decision": None,
        "lost": None,
    }


def test_a_site_says_other_periods_other_bases_and_another_zone():
    policy = Policy.from_mapping(
        {"time_zone": "UTC", "customers": {"period": "P3M", "after": "last-activity"}, "others": {"after": "closed"}}
    )
    assert policy.decide(ticket(), organisation(None)).due_at == datetime(2024, 5, 29, 12, 0, tzinfo=UTC)
    assert policy.decide(ticket(), None).rule == "P1Y after closed_at"
    assert policy.rules[0].span.period == Period.parse("P3M")
    assert policy.fingerprint != Policy.from_mapping({}).fingerprint


@pytest.mark.parametrize(
    ("mapping", "key"),
    [
        ({"customer": "P1Y"}, "retention.customer"),
        ({"time_zone": "Mars/Base"}, "retention.time_zone"),
        ({"time_zone": "../etc/passwd"}, "retention.time_zone"),
        ({"time_zone": "Europe"}, "retention.time_zone"),
        ({"time_zone": ""}, "retention.time_zone"),
        ({"time_zone": 1}, "retention.time_zone"),
        ({"customers": "one year"}, "retention.customers"),
        ({"customers": 365}, "retention.customers"),
        ({"others": "P0D"}, "retention.others"),
        ({"others": {"period": "PT1H"}}, "retention.others"),
        ({"others": {"period": 1}}, "retention.others"),
        ({"others": {"after": "contract"}}, "retention.others.after"),
        ({"customers": {"after": "christmas"}}, "retention.customers.after"),
        ({"customers": {"after": ["closed"]}}, "retention.customers.after"),
        ({"customers": {"keep": "P1Y"}}, "retention.customers.keep"),
        ({"customers": {"ground": "habit"}}, "retention.customers.ground"),
        ({"hold_review": "soon"}, "retention.hold_review"),
        ({"rules": {"name": "a"}}, "retention.rules"),
        ({"rules": "a"}, "retention.rules"),
        ({"rules": ["a"]}, "retention.rules[1]"),
        ({"rules": [A_RULE] * 101}, "retention.rules"),
        ({"rules": [A_RULE, A_RULE]}, "retention.rules[2].name"),
        ({"rules": [A_RULE | {"name": "others"}]}, "retention.rules[1].name"),
        ({"rules": [A_RULE | {"name": "Två"}]}, "retention.rules[1].name"),
        ({"rules": [{"name": "a", "keep": "P1Y", "after": "closed"}]}, "retention.rules[1].ground"),
        ({"rules": [A_RULE, A_RULE | {"name": "b", "keep": "1 year"}]}, "retention.rules[2].keep"),
        ({"rules": [A_RULE | {"keep": 365}]}, "retention.rules[1].keep"),
        ({"rules": [A_RULE | {"after": "created"}]}, "retention.rules[1].after"),
        ({"rules": [A_RULE | {"ground": "habit"}]}, "retention.rules[1].ground"),
        ({"rules": [A_RULE | {"ground": ["law"]}]}, "retention.rules[1].ground"),
        ({"rules": [A_RULE | {"decision": ""}]}, "retention.rules[1].decision"),
        ({"rules": [A_RULE | {"decision": "a\nb"}]}, "retention.rules[1].decision"),
        ({"rules": [A_RULE | {"class": "vip"}]}, "retention.rules[1].class"),
        ({"rules": [A_RULE | {"tag": []}]}, "retention.rules[1].tag"),
        ({"rules": [A_RULE | {"tag": [1]}]}, "retention.rules[1].tag"),
        ({"rules": [A_RULE | {"channel": {"in": "web"}}]}, "retention.rules[1].channel"),
        ({"rules": [A_RULE | {"priority": "high"}]}, "retention.rules[1].priority"),
        ({"rules": [A_RULE | {"after": "contract", "class": ["customer", "other"]}]}, "retention.rules[1].class"),
    ],
)
def test_a_wrong_setting_is_named(mapping, key):
    with pytest.raises(Misconfigured) as wrong:
        Policy.from_mapping(mapping)
    assert wrong.value.field == key
    assert key in wrong.value.detail


# -- rules of one's own ------------------------------------------------------------------------------------------------
def policy_of(*rules, **more):
    return Policy.from_mapping({"rules": [{"name": f"r{number}", **rule} for number, rule in enumerate(rules)], **more})


LAW = {"keep": "P7Y", "after": "last-activity", "ground": "law"}
SHORTER_LAW = {"keep": "P3Y", "after": "last-activity", "ground": "law"}
POLICY = {"keep": "P90D", "after": "last-activity", "ground": "policy"}
CLOSED = {"keep": "P90D", "after": "closed", "ground": "policy"}


@pytest.mark.parametrize(
    ("rules", "contract", "won", "due"),
    [
        # nobody's ticket: the shortest, unless law or contract say how long; then the longest of those
        ([], None, "others", datetime(2025, 2, 28, 12, tzinfo=UTC)),
        ([POLICY], None, "r0", datetime(2024, 5, 29, 12, tzinfo=UTC)),
        ([POLICY | {"keep": "P5Y"}], None, "others", datetime(2025, 2, 28, 12, tzinfo=UTC)),
        ([POLICY, SHORTER_LAW, LAW], None, "r2", datetime(2031, 2, 28, 12, tzinfo=UTC)),
        ([LAW | {"keep": "P1M"}], None, "r0", datetime(2024, 3, 29, 12, tzinfo=UTC)),
        # of equals the first
        ([LAW, LAW], None, "r0", datetime(2031, 2, 28, 12, tzinfo=UTC)),
        ([POLICY | {"keep": "P12M"}], None, "others", datetime(2025, 2, 28, 12, tzinfo=UTC)),
        # what has no date yet is longest: it loses among policies, and wins among the others
        ([CLOSED], None, "others", datetime(2025, 2, 28, 12, tzinfo=UTC)),
        ([CLOSED | {"ground": "law"}], None, "r0", None),
        # a customer's: the contract is a ground
        ([POLICY], date(2026, 12, 31), "customers", datetime(2028, 1, 1, tzinfo=UTC)),
        ([LAW], date(2026, 12, 31), "r0", datetime(2031, 2, 28, 12, tzinfo=UTC)),
        ([LAW], date(2040, 12, 31), "customers", datetime(2042, 1, 1, tzinfo=UTC)),
        ([LAW], "runs", "customers", None),
        ([LAW | {"after": "contract", "keep": "P2Y"}], date(2026, 12, 31), "r0", datetime(2029, 1, 1, tzinfo=UTC)),
    ],
)
def test_the_longest_that_law_or_contract_demand_else_the_shortest(rules, contract, won, due):
    who = None if contract is None else organisation(None if contract == "runs" else contract)
    destiny = policy_of(*rules).decide(ticket(), who)
    assert (destiny.facts["rule"], destiny.due_at) == (won, due)
    others = {"customers" if contract else "others", *(f"r{n}" for n in range(len(rules)))} - {won}
    assert set((destiny.facts["lost"] or "").split(", ")) - {""} == others


@pytest.mark.parametrize(
    ("condition", "facts", "applies"),
    [
        ({"channel": "Phone"}, {"channel": "phone"}, True),
        ({"channel": "phone"}, {"channel": "web"}, False),
        ({"channel": ["web", "phone"]}, {"channel": "web"}, True),
        ({"channel": "phone"}, {}, False),
        ({"connector": "desk"}, {"connector": "desk"}, True),
        ({"connector": "desk"}, {}, False),
        ({"tag": "Invoice"}, {"tags": ("vip", "invoice")}, True),
        ({"tag": "invoice"}, {"tags": ("vip", "INVOICE")}, True),
        ({"tag": ["order", "invoice"]}, {"tags": ("vip",)}, False),
        ({"tag": "invoice", "channel": "web"}, {"tags": ("invoice",), "channel": "phone"}, False),
        ({"tag": "invoice", "channel": "web"}, {"tags": ("invoice",), "channel": "web"}, True),
        ({"class": "other"}, {}, True),
        ({"class": "customer"}, {}, False),
        ({"organisation": "acme"}, {}, False),
        ({"after": "contract"}, {}, False),
    ],
)
def test_a_rule_is_for_tickets_that_all_of_its_conditions_match(condition, facts, applies):
    destiny = policy_of(LAW | condition).decide(ticket(**facts), None)
    assert destiny.facts["rule"] == ("r0" if applies else "others")


def test_a_rule_for_organisations_and_their_class():
    policy = policy_of(LAW | {"organisation": ["acme", "b"]}, LAW | {"keep": "P8Y", "organisation": "b"})
    assert policy.decide(ticket(), organisation(date(2024, 3, 1))).facts["rule"] == "r0"
    # the contract had ended: no customer's any more, though still of that organisation
    gone = policy.decide(ticket(opened_at=AT), organisation(date(2020, 1, 1)))
    assert (gone.retention_class, gone.facts["rule"]) == ("other", "r0")


def test_a_period_after_the_opening_needs_an_opening():
    policy = policy_of(LAW | {"after": "opened"})
    assert policy.decide(ticket(), None).due_at is None
    assert policy.decide(ticket(opened_at=AT), None).due_at == datetime(2031, 2, 28, 12, tzinfo=UTC)
    assert policy.decide(ticket(opened_at=AT), None).rule == "r0: P7Y after opened_at"


def test_the_result_names_the_decision_it_rests_on():
    policy = policy_of(LAW | {"decision": "RA-MS 2026:12 §4"})
    assert policy.decide(ticket(), None).facts["decision"] == "RA-MS 2026:12 §4"


def test_a_policy_is_the_same_after_it_was_kept():
    mapping = {
        "time_zone": "Asia/Kathmandu",
        "customers": {"period": "P18M", "after": "closed", "ground": "law"},
        "others": "P30D",
        "hold_review": "P3M",
        "rules": [
            A_RULE | {"class": "other", "channel": ["Web", "phone"], "connector": "d", "tag": "x", "organisation": "o"},
            LAW | {"name": "b", "decision": "beslut 12"},
        ],
    }
    policy = Policy.from_mapping(mapping)
    again = Policy.from_document(policy.document)
    assert (again.rules, again.zone, again.fingerprint) == (policy.rules, policy.zone, policy.fingerprint)
    assert policy.hold_review == Period.parse("P3M")  # no date of a file depends on it


@pytest.mark.parametrize(
    "changed",
    [
        {"rules": []},
        {"rules": [LAW | {"name": "b", "keep": "P8Y"}]},
        {"rules": [LAW | {"name": "b", "ground": "policy"}]},
        {"rules": [LAW | {"name": "b", "tag": "x"}]},
        {"customers": {"ground": "policy"}},
        {"time_zone": "Europe/Oslo"},
    ],
)
def test_whatever_could_move_a_date_changes_the_fingerprint(changed):
    mapping = {"rules": [LAW | {"name": "b"}]}
    assert Policy.from_mapping(mapping | changed).fingerprint != Policy.from_mapping(mapping).fingerprint


def test_the_founding_policys_fingerprint_is_what_it_was():
    """Stored by earlier versions; 0006 reads it."""
    said = "customer=P1Y after contract_ends_on; other=P1Y after last_activity_at; zone=UTC"
    assert Policy.from_mapping({}).fingerprint == said
