"""What every connector promises, each against a stand-in of its system: the truth, and garbage."""

from __future__ import annotations

import json
import random
from contextlib import suppress

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from domain.errors import DeskRefused, DeskUnavailable, Misconfigured, NotFound, StateConflict
from domain.ticket import Standing, TicketStatus
from tests.desks.freshdesk_kind import FreshdeskKind
from tests.desks.jira import Jira
from tests.desks.request_tracker_rows import RequestTrackerRows
from tests.desks.zammad import Zammad
from tests.desks.zendesk import Zendesk
from tickets.checks import check_ref
from tickets.desk import Message, SourceTicket
from tickets.said import OrganisationFact

KINDS = [FreshdeskKind, Jira, RequestTrackerRows, Zammad, Zendesk]
FILES = [("a.bin", bytes(range(256)) * 300), ("tom.txt", b""), ("åäö €.pdf", b"%PDF")]
NOTE = Message(
    "k3v9x2", '<p>3 files (k3v9x2): <a href="https://b.example/t">link</a></p>', "3 files https://b.example/t k3v9x2"
)


@pytest.fixture(params=KINDS, ids=lambda kind: kind.kind)
def system(request):
    with request.param() as system:
        yield system


@pytest.fixture
def desk(system):
    return desk_of(system)


def desk_of(system, **more):
    return system.make(system.section(**more)).desk


def everything(desk, cursor):
    found: dict[str, SourceTicket] = {}
    for _ in range(200):
        page = desk.changed(cursor)
        found |= {one.id: one for one in page.tickets}
        cursor = page.cursor
        if page.last:
            return found, cursor
    raise AssertionError("it never ends")


def read(desk, file):
    with desk.read(file) as pieces:
        return b"".join(pieces)


def test_changed_tickets_arrive_page_by_page_and_only_what_is_new_after_that(system, desk):
    first = [system.open() for _ in range(5)]
    found, cursor = everything(desk, None)
    assert set(found) == set(first)
    again, cursor = everything(desk, cursor)
    assert all(again[one].version == found[one].version for one in again)
    system.close(first[1])
    later = system.open()
    news, _ = everything(desk, cursor)
    fresh = {one for one in news if one not in found or news[one].version > found[one].version}
    assert fresh == {first[1], later}
    assert news[first[1]].fact.status is TicketStatus.CLOSED


def test_more_than_a_page_of_tickets_arrive_those_of_one_second_too(system, desk):
    first = {system.open() for _ in range(105)}
    at = system.now
    for number in first:
        system.now = at
        system.close(number)
    assert set(everything(desk, None)[0]) == first


def test_a_ticket_is_read_with_its_people_and_its_times(system, desk):
    number = system.open(*FILES[:1])
    source = desk.ticket(number)
    assert source.id == number
    assert source.standing is Standing.PRESENT
    assert source.fact.status is TicketStatus.OPEN
    assert source.fact.subject == "Skrivaren brinner"
    assert source.fact.requester_email == "asa@kund.example"
    assert source.fact.organisation == check_ref(source.organisation.ref, "ref")
    assert source.fact.opened_at <= source.fact.last_activity_at
    assert everything(desk, None)[0][number].fact == source.fact


def test_closing_and_reopening_are_newer_each_time(system, desk):
    number = system.open()
    opened = desk.ticket(number)
    system.close(number)
    closed = desk.ticket(number)
    system.reopen(number)
    reopened = desk.ticket(number)
    assert [one.fact.status for one in (opened, closed, reopened)] == [
        TicketStatus.OPEN,
        TicketStatus.CLOSED,
        TicketStatus.OPEN,
    ]
    assert opened.version < closed.version < reopened.version
    assert closed.fact.closed_at > opened.fact.opened_at


def test_organisations_end(system, desk):
    found: dict[str, OrganisationFact] = {}
    cursor = None
    for _ in range(20):
        page = desk.organisations(cursor)
        found |= {one.ref: one for one in page.organisations}
        cursor = page.cursor
        if page.last:
            break
    assert page.last
    source = desk.ticket(system.open())
    # Request Tracker has none of its own: they come with tickets.
    assert (source.organisation.ref in found) is (system.kind != "request-tracker")


def test_files_are_read_byte_for_byte_and_our_credentials_stay_at_home(system, desk):
    number = system.open(*FILES)
    system.say(number, "one more", ("four.bin", b"4444"))
    files = desk.files(number)
    assert [(one.name, read(desk, one)) for one in files] == [*FILES, ("four.bin", b"4444")]
    assert [one.size for one in files] == [len(content) for _, content in FILES] + [4]
    assert system.told == []


def test_a_note_is_written_once_and_to_agents_only(system, desk):
    number = system.open()
    for n in range(5):
        system.say(number, f"word {n}")
    written = desk.write(number, NOTE)
    assert written
    assert desk.write(number, NOTE) == written
    assert sum(NOTE.marker in one for one in system.notes(number)) == 1


def test_deleting_is_looked_at_afterwards(system, desk):
    number = system.open(*FILES)
    one, *others = desk.files(number)
    done = desk.delete(one)
    assert done.gone is system.deletes
    assert (done.reason is None) is system.deletes
    assert [file.id for file in desk.files(number)] == [file.id for file in (others if done.gone else [one, *others])]
    assert desk.delete(one).gone is system.deletes


def test_what_is_not_there_is_not_there(system, desk):
    assert desk.ticket("987654") is None
    assert list(desk.files("987654")) == []
    with pytest.raises(NotFound):
        desk.write("987654", NOTE)
    for wrong in ("../users/1", "1/../2", "", "1?x=1"):
        with pytest.raises(NotFound):
            desk.write(wrong, NOTE)


def test_over_its_rate_it_is_asked_again_and_down_it_is_unavailable(system, desk):
    system.open()
    system.storm = 1
    assert len(everything(desk, None)[0]) == 1
    system.down = True
    with pytest.raises(DeskUnavailable):
        desk.changed(None)


def test_wrong_credentials_are_refused_and_named_by_the_check(system):
    wrong = desk_of(system, token="wrong")
    with pytest.raises(DeskRefused):
        wrong.changed(None)
    assert wrong.check()[0].ok is False


def test_the_check_finds_everything_in_order(system, desk):
    system.open()
    lines = desk.check()
    assert [line for line in lines if not line.ok] == []
    assert len(lines) >= 3


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"url": "ftp://acme.example"}, "url"),
        ({"token": ""}, "token"),
        ({"colour": "blue"}, "colour"),
        ({"webhook_secret": "short"}, "webhook_secret"),
        ({"statuses": {"open": "ajar"}}, "statuses"),
        ({"rate": -1}, "rate"),
        ({"networks": "nowhere"}, "networks"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_a_wrong_setting_is_named(system, change, field):
    with pytest.raises(Misconfigured) as caught:
        system.make(system.section(**change))
    assert caught.value.field == field


WRONG = st.sampled_from(
    [None, True, -1, 1 << 70, 1.5, "", "x", "\ud800\x00\u202e", "9" * 5000, [], {}, [None, 3, {"id": []}], {"id": {}}]
)


@settings(max_examples=10, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(seed=st.integers(0, 1 << 32), share=st.sampled_from([0.02, 0.1, 0.4]), wrong=WRONG)
def test_garbage_is_an_error_of_ours_or_nothing_said(system, seed, share, wrong):
    """Fields that are missing or of another type, anywhere in an answer."""
    if not system.tickets:
        for _ in range(3):
            system.open(*FILES)
    number = str(next(iter(system.tickets)))
    dice = random.Random(seed)
    system.bend = lambda said: bent(said, dice, share, wrong)
    ours = (DeskRefused, DeskUnavailable, NotFound, StateConflict, FileNotFoundError)
    with suppress(*ours):
        for source in desk_of(system).changed(None).tickets:
            assert sound(source)
    with suppress(*ours):
        source = desk_of(system).ticket(number)
        assert source is None or sound(source)
    with suppress(*ours):
        for fact in desk_of(system).organisations(None).organisations:
            check_ref(fact.ref, "ref")
    with suppress(*ours):
        for file in desk_of(system).files(number):
            with suppress(*ours):
                read(desk_of(system), file)
            assert isinstance(desk_of(system).delete(file).gone, bool)
    with suppress(*ours):
        assert isinstance(desk_of(system).write(number, Message(f"m{seed}", "<p>x</p>", "x")), str)
    assert all(line.name for line in desk_of(system).check())
    system.bend = lambda said: said


def bent(said, dice, share, wrong):
    """JSON with some of its values replaced, and some of its fields left out."""
    if dice.random() < share / 4:
        return wrong
    if isinstance(said, dict):
        kept = {name: value for name, value in said.items() if dice.random() >= share / 2}
        return {
            name: wrong if dice.random() < share else bent(value, dice, share, wrong) for name, value in kept.items()
        }
    if isinstance(said, list):
        return [bent(value, dice, share, wrong) for value in said] * (2 if dice.random() < share else 1)
    return said


def sound(source):
    """It can be applied: nothing in it is refused further down."""
    check_ref(source.fact.ref, "ref")
    check_ref(source.id, "id")
    if source.organisation is not None:
        check_ref(source.organisation.ref, "organisation")
    return 0 <= source.version < 1 << 63 and json.dumps(str(source))


def test_transactions_of_other_queues_by_the_hundred_hide_nothing():
    with RequestTrackerRows() as system:
        desk = desk_of(system)
        number = system.open()
        _, cursor = everything(desk, None)
        for _ in range(1000):
            system.happens("7", "asa", hidden=True)
        system.close(number)
        found, cursor = everything(desk, cursor)
        assert found[number].fact.status is TicketStatus.CLOSED
        assert everything(desk, cursor)[0] == {}


def test_our_own_note_is_no_activity_on_request_tracker():
    with RequestTrackerRows() as system:
        desk = desk_of(system)
        number = system.open()
        before = desk.ticket(number)
        desk.write(number, NOTE)
        after = desk.ticket(number)
        assert after.fact.last_activity_at == before.fact.last_activity_at
        assert after.version > before.version
