"""Rounds: what a ticket system says arrives, whatever was missed, once, and in the order of its own versions."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta

import pytest

from domain.actor import EVERYTHING, SYSTEM
from domain.errors import BadInput, FactsStale, LoginRequired, NotFound, StateConflict
from domain.event import EventKind
from domain.ticket import Standing, TicketStatus
from keys import Lease
from tests.desks.following import NAME, FollowingSite
from tickets import Outcome, TicketFact


@pytest.fixture
def site(tmp_path):
    site = FollowingSite(tmp_path)
    yield site
    site.close()


def puts(site) -> int:
    entries = site.records.read(lambda unit: unit.journal.entries(0, 10_000))
    return sum(entry.kind == EventKind.TICKET_PUT for entry in entries)


def organisation(site, ref):
    return site.records.read(lambda unit: unit.organisations.get(ref, EVERYTHING))


def test_tickets_and_companies_flow_in_and_a_second_round_changes_nothing(site):
    site.desk.employ("acme", name="Acme", contract_ends_on=date(2027, 6, 30))
    for n in range(5):
        site.desk.open(f"{n}", "acme" if n % 2 else None, tags=("vip", "vip "))
    first = site.round()
    assert (first.new, first.changed, first.organisations, first.trouble) == (5, 0, 1, None)
    ticket = site.ticket("F-1")
    assert (ticket.connector, ticket.source_id, ticket.tags) == (NAME, "1", ("vip",))
    assert ticket.organisation_id == organisation(site, "acme").id
    assert ticket.purge_due_at == datetime(2028, 6, 30, 22, tzinfo=UTC)
    before = puts(site)
    second = site.round()
    assert (second.new, second.changed, second.gone) == (0, 0, 0)
    assert puts(site) == before


def test_an_older_word_changes_nothing_and_an_equal_one_neither(site):
    site.desk.open("1")
    old = site.desk.told(site.desk.tickets["1"])
    site.desk.change("1", status=TicketStatus.PENDING)
    site.round()
    for source in (old, site.desk.told(site.desk.tickets["1"])):
        applied = site.records.write(
            lambda unit, source=source: site.facts.apply(unit, SYSTEM, NAME, source, read_at=site.clock())
        )
        assert applied.outcome is Outcome.SAME
    assert site.known("1").status is TicketStatus.PENDING


def test_of_two_changes_within_one_second_the_later_read_counts(site):
    site.desk.open("1")
    site.round()
    site.desk.tickets["1"].status = TicketStatus.CLOSED  # no new version
    site.clock.go(minutes=2)
    site.desk.tickets["1"].changed += 1
    assert site.round().changed == 1
    assert site.known("1").status is TicketStatus.CLOSED


def test_an_upload_still_counts_after_a_round_that_had_nothing_new(site):
    site.desk.open("1")
    site.round()
    site.clock.go(days=10)
    at = site.clock()
    site.records.write(lambda unit: site.facts.touch(unit, site.known("1").id, at))
    site.desk.tickets["1"].changed += 1
    site.round()
    assert site.known("1").last_activity_at == at


def test_what_is_trashed_and_comes_back_is_as_if_it_never_was(site):
    site.desk.open("1")
    site.round()
    before = site.known("1")
    site.desk.stand("1", Standing.TRASHED)
    site.round()
    assert site.known("1").standing is Standing.TRASHED
    assert site.known("1").standing_since == site.clock()
    site.desk.stand("1", Standing.PRESENT)
    site.round()
    after = site.known("1")
    assert (after.standing, after.standing_since, after.purge_due_at) == (Standing.PRESENT, None, before.purge_due_at)


def test_what_is_gone_for_good_is_found_by_a_full_round_and_its_trash_counts_from_the_beginning(site):
    site.desk.open("1")
    site.desk.open("2")
    site.round()
    site.desk.stand("1", Standing.TRASHED)
    site.round()
    trashed = site.known("1").standing_since
    site.clock.go(days=3)
    site.desk.forget("1")
    site.desk.forget("2")
    assert site.round(full=True).gone == 2
    assert (site.known("1").standing, site.known("1").standing_since) == (Standing.GONE, trashed)
    assert (site.known("2").standing, site.known("2").standing_since) == (Standing.GONE, site.clock())
    assert site.round(full=True).gone == 0


def test_what_nobody_heard_of_for_a_week_is_asked_about_by_itself(site):
    site.desk.open("1")
    site.round()
    site.desk.forget("1")
    site.clock.go(days=6)
    assert site.round().asked_again == 0
    site.clock.go(days=2)
    report = site.round()
    assert (report.asked_again, report.gone) == (1, 1)


@pytest.mark.parametrize("order", [("1", "2"), ("2", "1")])
def test_a_merged_ticket_goes_on_as_the_other_one_in_whatever_order_they_come(site, order):
    for one in order:
        site.desk.open(one, "acme" if one == "2" else None)
    site.desk.stand("1", Standing.MERGED, "2")
    site.round()
    merged, whole = site.known("1"), site.known("2")
    assert (merged.standing, merged.merged_into, merged.merged_source_id) == (Standing.MERGED, whole.id, "2")
    assert merged.organisation_id == whole.organisation_id is not None
    assert merged.purge_due_at == whole.purge_due_at
    site.desk.change("2", status=TicketStatus.CLOSED, organisation=None)
    site.clock.go(days=1)
    site.desk.now = site.clock()
    site.desk.change("2")
    site.round()
    merged, whole = site.known("1"), site.known("2")
    assert (merged.status, merged.organisation_id) == (TicketStatus.CLOSED, None)
    assert merged.purge_due_at == whole.purge_due_at is not None


def test_chains_of_merges_end_in_the_last_one_and_circles_nowhere(site):
    for one in "1234":
        site.desk.open(one)
    site.round()
    site.desk.stand("1", Standing.MERGED, "2")
    site.round()
    site.desk.stand("2", Standing.MERGED, "3")
    site.round()
    assert {site.known("1").merged_into, site.known("2").merged_into} == {site.known("3").id}
    site.desk.stand("3", Standing.MERGED, "4")
    site.round()
    assert {site.known(one).merged_into for one in "123"} == {site.known("4").id}
    site.desk.stand("4", Standing.MERGED, "1")
    site.round()
    assert site.known("4").merged_into is None


def test_the_ticket_another_one_goes_on_as_is_asked_for_where_it_is_not_known(site):
    site.desk.open("1")
    site.desk.open("2", standing=Standing.PRESENT)
    site.desk.stand("1", Standing.MERGED, "2")
    site.desk.tickets["2"].changed = -1  # never listed
    site.round()
    assert site.known("1").merged_into == site.known("2").id


def test_an_upload_to_a_merged_ticket_keeps_both(site):
    site.desk.open("1")
    site.desk.open("2")
    site.desk.stand("1", Standing.MERGED, "2")
    site.round()
    site.clock.go(days=30)
    site.records.write(lambda unit: site.facts.touch(unit, site.known("1").id, site.clock()))
    assert site.known("1").last_activity_at == site.known("2").last_activity_at == site.clock()
    assert site.known("1").purge_due_at == site.known("2").purge_due_at


def test_a_hold_on_the_ticket_another_one_went_into_keeps_that_one_too(site):
    site.desk.open("1")
    site.desk.open("2")
    site.desk.stand("1", Standing.MERGED, "2")
    site.round()
    place = site.holds.place_on_ticket
    site.records.write(lambda unit: place(unit, SYSTEM, "F-2", "a lawsuit", None))
    held = site.records.read(lambda unit: [unit.holds.held(site.known(one).id) for one in "12"])
    assert held == [True, True]
    assert len(site.records.read(lambda unit: unit.holds.on_ticket(site.known("1").id))) == 1


def test_a_name_that_was_put_by_hand_is_taken_over_and_one_that_is_bound_elsewhere_is_refused(site):
    by_hand = site.put("F-1")
    site.desk.open("1")
    site.desk.open("2")
    site.round()
    assert site.known("1").id == by_hand.id
    site.desk.open("3")
    site.desk.tickets["3"].id = "other"
    with pytest.raises(BadInput):
        site.records.write(
            lambda unit: site.facts.apply(
                unit,
                SYSTEM,
                NAME,
                replace(site.desk.told(site.desk.tickets["3"]), fact=TicketFact("F-1")),
                read_at=site.clock(),
            )
        )


def test_one_ticket_that_cannot_be_kept_is_named_and_keeps_no_other_out(site):
    site.desk.open("1")
    site.desk.open("2", organisation="x" * 300)
    site.desk.open("3", subject="a\u202eb\nc", requester="nobody", tags=("", "ok", "x" * 999))
    report = site.round()
    assert (report.new, report.refused) == (2, [("2", "organisation")])
    assert site.known("3").tags[0] == "ok"


def test_a_hint_is_answered_by_asking_and_goes_away(site):
    site.desk.open("1")
    site.round()
    site.desk.tickets["1"].status = TicketStatus.CLOSED
    site.desk.tickets["1"].version += 1  # no list tells of it
    site.hooks.take(NAME, {"x-secret": "sesame"}, b'{"ids": ["1", "1", "9"]}')
    assert site.reconcile.is_due(NAME)
    report = site.round()
    assert (report.hints, report.changed, report.hints_waiting) == (2, 1, 0)
    assert site.known("1").status is TicketStatus.CLOSED


def test_a_delivery_counts_once_and_a_bad_one_has_no_effect(site):
    with pytest.raises(LoginRequired):
        site.hooks.take(NAME, {"x-secret": "open"}, b'{"ids": ["1"]}')
    with pytest.raises(BadInput):
        site.hooks.take(NAME, {"x-secret": "sesame"}, b"?")
    with pytest.raises(BadInput):
        site.hooks.take(NAME, {"x-secret": "sesame"}, b'{"ids": ["%s"]}' % (b"1" * 300))
    with pytest.raises(NotFound):
        site.hooks.take("nobody", {}, b"")
    count = lambda: site.records.read(lambda unit: unit.hints.count(NAME))  # noqa: E731
    assert count() == 0
    site.hooks.take(NAME, {"x-secret": "sesame"}, b'{"ids": ["1"], "key": "a"}')
    assert count() == 1
    site.round()
    site.hooks.take(NAME, {"x-secret": "sesame"}, b'{"ids": ["1"], "key": "a"}')
    assert count() == 0
    site.clock.go(days=8)
    assert site.records.write(site.hooks.sweep) == 1


def test_a_system_that_is_down_is_left_alone_for_as_long_as_it_asks_and_nothing_is_lost(site):
    site.desk.open("1")
    site.desk.down, site.desk.wait = 1, 300.0
    report = site.round()
    assert (report.trouble, report.wait_until) == ("desk-unavailable", site.clock() + timedelta(seconds=300))
    site.clock.go(seconds=299)
    assert not site.reconcile.is_due(NAME)
    site.clock.go(seconds=1)
    assert site.reconcile.is_due(NAME)
    assert site.round().new == 1


def test_pauses_grow_while_it_stays_down(site):
    site.desk.refuses = True
    waits = []
    for _ in range(3):
        report = site.round()
        waits.append((report.wait_until - site.clock()).total_seconds())
    assert (report.trouble, waits) == ("desk-refused", [300.0, 300.0, 300.0])
    site.desk.refuses, site.desk.down = False, 3
    site.round()
    assert site.records.read(lambda unit: unit.connectors.get(NAME)).failures == 4


def test_a_cursor_that_is_none_any_more_begins_anew(site):
    site.desk.open("1")
    site.round()
    site.records.write(lambda unit: unit.connectors.put(replace(unit.connectors.get(NAME), cursor="no place")))
    assert site.round().trouble is None


def test_two_rounds_at_once_are_one(site):
    with Lease(site.records, "connector:fake", length=timedelta(minutes=1)), pytest.raises(StateConflict):
        site.round()


def test_nothing_is_fresh_before_a_whole_round_nor_a_day_after_it(site):
    site.desk.open("1")
    site.round()
    ticket = site.known("1")
    check = lambda: site.records.read(lambda unit: site.freshness.check(unit, site.known("1")))  # noqa: E731
    check()
    site.clock.go(hours=25)
    with pytest.raises(FactsStale):
        check()
    site.round()
    with pytest.raises(FactsStale):  # the system was read, but nobody asked about this one
        check()
    site.desk.tickets["1"].changed += 1
    site.round()
    check()
    assert ticket.version == site.known("1").version
    by_hand = site.put("T-1")
    site.clock.go(days=9)
    site.records.read(lambda unit: site.freshness.check(unit, by_hand))


def test_a_due_ticket_is_asked_about_before_anything_is_erased_by_it(site):
    site.desk.open("1")
    site.round()
    site.clock.go(days=366)
    assert site.known("1").purge_due_at <= site.clock()
    report = site.round()
    assert report.asked_again == 1
    site.records.read(lambda unit: site.freshness.check(unit, site.known("1")))
    assert site.round().asked_again == 0


def test_a_put_by_hand_does_not_make_a_systems_facts_fresh(site):
    site.desk.open("1")
    site.round()
    site.clock.go(hours=30)
    site.put("F-1", status=TicketStatus.CLOSED)
    assert site.known("1").facts_at < site.clock()


def test_an_erased_ticket_comes_back_only_where_its_time_is_not_up(site):
    site.desk.open("1")
    site.round()
    site.clock.go(days=366)
    site.purge.run(SYSTEM)
    assert site.known("1").erased_at is not None
    site.desk.tickets["1"].version += 1
    site.desk.tickets["1"].changed += 1
    site.round()
    assert site.known("1").erased_at is not None
    site.desk.now = site.clock()
    site.desk.change("1")
    assert site.round().new == 1
    assert site.known("1").erased_at is None


def test_a_company_change_moves_the_ticket_and_its_date(site):
    site.desk.employ("acme", name="Acme", contract_ends_on=None)
    site.desk.open("1")
    site.round()
    assert site.known("1").purge_due_at is not None
    site.desk.change("1", organisation="acme")
    site.round()
    assert site.known("1").purge_due_at is None
    site.desk.employ("acme", name="Acme", contract_ends_on=date(2027, 1, 1))
    site.clock.go(hours=2)
    site.round()
    assert site.known("1").purge_due_at is not None
