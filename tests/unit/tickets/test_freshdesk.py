"""The Freshdesk connector against the stand-in: what is read, what is written, what is refused."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from urllib.parse import urlsplit

import pytest

from domain.errors import BadInput, DeskRefused, DeskUnavailable, Misconfigured, NotFound
from domain.ticket import Standing, TicketStatus
from tests.desks.freshdesk import Freshdesk as StandIn
from tests.desks.freshdesk_account import Account
from tickets.desk import Message
from tickets.freshdesk import Freshdesk
from tickets.freshdesk_pace import Pace
from tickets.freshdesk_section import make
from tickets.said import UNSAID, OrganisationFact

START = datetime(2026, 11, 24, 11, 0, tzinfo=UTC)
FILE = ("report.pdf", b"%PDF-1.7 a report", "application/pdf")


class Clock:
    def __init__(self):
        self.now = START

    def __call__(self):
        return self.now


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture(scope="module")
def served():
    with StandIn() as desk:
        yield desk


@pytest.fixture
def standing_in(served, clock):
    served.begin(Account(clock=clock))
    return served


def section(desk, **more):
    return {
        "kind": "freshdesk",
        "url": desk.url,
        "token": desk.account.key,
        "prefix": "FD-",
        "allow_loopback": True,
        "allowed_hosts": ["localhost"],
        "rate": 1_000_000,
        **more,
    }


@pytest.fixture
def freshdesk(standing_in):
    return made(standing_in)


def made(standing_in, **more) -> Freshdesk:
    desk = make(section(standing_in, **more)).desk
    assert isinstance(desk, Freshdesk)
    return desk


def ticket(desk, *files, **given):
    return desk.account.create_ticket({"email": "pia@example.com", "name": "Pia", "subject": "It hums", **given}, files)


def walked(freshdesk, cursor=None):
    """Everything until the list's end; the last word of each ticket, and the cursor."""
    found, pages = {}, 0
    while True:
        page = freshdesk.changed(cursor)
        cursor, pages = page.cursor, pages + 1
        for one in page.tickets:
            found[one.id] = one
        assert pages < 500
        if page.last:
            return found, cursor


# -- facts -------------------------------------------------------------------------------------------------------------
def test_a_ticket_is_told_in_our_words(standing_in, freshdesk):
    account = standing_in.account
    company = account.create_company({"name": "Ymer AB", "renewal_date": "2027-03-31T00:00:00Z"})
    account.create_contact({"name": "Pia Ek", "email": "pia@example.com", "company_id": company["id"]})
    ticket(standing_in, tags=["vpn", "Oslo"], source=9)
    found = freshdesk.ticket("1")
    assert (found.id, found.version, found.standing) == ("1", int(START.timestamp()) * 1_000_000, Standing.PRESENT)
    fact = found.fact
    assert (fact.ref, fact.status, fact.subject, fact.channel) == (
        "FD-1",
        TicketStatus.OPEN,
        "It hums",
        "feedback-widget",
    )
    assert (fact.requester_email, fact.requester_name) == ("pia@example.com", "Pia Ek")
    assert (fact.opened_at, fact.last_activity_at) == (START, START)
    assert set(fact.tags) == {"vpn", "Oslo"}
    assert fact.organisation == f"FD-{company['id']}"
    assert found.organisation == OrganisationFact(f"FD-{company['id']}", "Ymer AB", date(2027, 3, 31))


@pytest.mark.parametrize(
    ("number", "status"),
    [(2, "open"), (3, "pending"), (4, "closed"), (5, "closed"), (6, "pending"), (7, "pending"), (9, "pending")],
)
def test_each_status_has_its_meaning(standing_in, freshdesk, number, status):
    ticket(standing_in)
    standing_in.account.update_ticket(1, {"status": number})
    assert freshdesk.ticket("1").fact.status == status


def test_a_site_may_say_what_an_account_s_own_statuses_mean(standing_in):
    ticket(standing_in)
    ticket(standing_in)
    standing_in.account.update_ticket(1, {"status": 9})
    standing_in.account.update_ticket(2, {"status": 6})
    freshdesk = made(standing_in, statuses={"parked with the supplier": "closed", "6": "open"})
    assert freshdesk.ticket("1").fact.status is TicketStatus.CLOSED
    assert freshdesk.ticket("2").fact.status is TicketStatus.OPEN


def test_a_closed_ticket_tells_when_it_was_closed_and_an_open_one_does_not(standing_in, freshdesk, clock):
    ticket(standing_in)
    assert freshdesk.ticket("1").fact.closed_at is UNSAID
    clock.now += timedelta(days=2)
    standing_in.account.update_ticket(1, {"status": 4})
    assert freshdesk.ticket("1").fact.closed_at == clock.now


def test_what_bilaga_itself_does_in_a_ticket_is_no_activity(standing_in, freshdesk, clock):
    ticket(standing_in, FILE)
    clock.now += timedelta(days=400)
    freshdesk.write("1", Message("m-1", "<p>m-1</p>", "m-1"))
    found = freshdesk.ticket("1")
    assert found.version == int(clock.now.timestamp()) * 1_000_000
    assert found.fact.last_activity_at == START
    standing_in.account.mail_from_requester(1, "hello?")
    assert freshdesk.ticket("1").fact.last_activity_at == clock.now


@pytest.mark.parametrize(
    ("value", "end"),
    [("2027-03-31", date(2027, 3, 31)), (None, None), ("", None), ("spring", UNSAID)],
)
def test_a_contract_s_end_may_stand_in_a_field_of_the_account_s_own(standing_in, value, end):
    standing_in.account.create_company({"name": "Ymer AB", "custom_fields": {"contract_until": value}})
    page = made(standing_in, contract_field="contract_until", organisation="name").organisations(None)
    assert page.organisations == [OrganisationFact("Ymer AB", "Ymer AB", end)]
    assert page.last


def test_no_such_field_leaves_what_is_known_of_the_contract(standing_in):
    standing_in.account.create_company({"name": "Ymer AB"})
    (fact,) = made(standing_in, contract_field="nowhere").organisations(None).organisations
    assert fact.contract_ends_on is UNSAID


def test_companies_come_by_pages_and_then_from_the_beginning(standing_in, freshdesk):
    for number in range(150):
        standing_in.account.create_company({"name": f"Company {number}"})
    first = freshdesk.organisations(None)
    second = freshdesk.organisations(first.cursor)
    assert (len(first.organisations), first.last, len(second.organisations), second.last) == (100, False, 50, True)
    assert len(freshdesk.organisations(second.cursor).organisations) == 100


def test_odd_things_that_people_write_keep_no_ticket_from_us(standing_in, freshdesk):
    ticket(standing_in, subject="two\nlines\x00 " + "x" * 2000, tags=["", "a\tb"], name="\u202e", email="no address")
    fact = freshdesk.ticket("1").fact
    assert fact.subject.startswith("two lines x")
    assert (len(fact.subject), fact.requester_email, fact.requester_name) == (1000, None, None)
    assert tuple(fact.tags) == ("a b",)


# -- lists -------------------------------------------------------------------------------------------------------------
def test_tickets_older_than_thirty_days_are_listed_too(standing_in, freshdesk, clock):
    ticket(standing_in)
    clock.now += timedelta(days=200)
    ticket(standing_in)
    assert set(walked(freshdesk)[0]) == {"1", "2"}


def test_nothing_is_missed_while_tickets_change_between_two_pages(standing_in, freshdesk, clock):
    for _ in range(250):
        ticket(standing_in)
        clock.now += timedelta(seconds=1)
    first = freshdesk.changed(None)
    seen = {one.id for one in first.tickets}
    for number in range(1, 60):  # they go to the list's end, and all others move up
        standing_in.account.update_ticket(number, {"priority": 2})
    found, _ = walked(freshdesk, first.cursor)
    assert seen | set(found) == {str(number) for number in range(1, 251)}


def test_of_more_tickets_of_one_second_than_a_page_holds_none_is_missed(standing_in, freshdesk, clock):
    for _ in range(320):
        ticket(standing_in)
    clock.now += timedelta(seconds=30)
    changed = iter(range(1, 321))

    def work_goes_on(moment, method, path):  # and all others move up
        if (moment, path) == ("done", "/api/v2/tickets"):
            for _ in range(7):
                standing_in.account.update_ticket(next(changed), {"priority": 3})

    standing_in.meeting = work_goes_on
    assert len(walked(freshdesk)[0]) == 320
    pages = [int(one.query["page"]) for one in standing_in.calls("GET", "/tickets$") if "filter" not in one.query]
    assert pages[:6] == [1, 1, 2, 3, 2, 1]


def test_a_poll_asks_for_what_changed_since_and_a_minute_more(standing_in, freshdesk, clock):
    for _ in range(3):
        ticket(standing_in)
        clock.now += timedelta(minutes=10)
    _, cursor = walked(freshdesk)
    standing_in.account.update_ticket(1, {"status": 5})
    found, _ = walked(freshdesk, cursor)
    assert set(found) == {"1", "3"}
    assert found["1"].fact.status is TicketStatus.CLOSED


def test_trash_and_spam_are_walked_through_as_well(standing_in, freshdesk):
    for _ in range(3):
        ticket(standing_in)
    standing_in.account.delete_ticket(2)
    standing_in.account.tickets[3]["spam"] = True
    found, cursor = walked(freshdesk)
    assert {name: one.standing for name, one in found.items()} == {
        "1": Standing.PRESENT,
        "2": Standing.TRASHED,
        "3": Standing.SPAM,
    }
    assert found["2"].version == found["1"].version + 1
    calls = len(standing_in.calls())
    walked(freshdesk, cursor)  # not again within the hour
    assert len(standing_in.calls()) == calls + 1
    standing_in.account.restore_ticket(2)
    assert freshdesk.ticket("2").standing is Standing.PRESENT


def test_a_ticket_that_went_for_good_is_none(standing_in, freshdesk):
    made_of = ticket(standing_in)
    standing_in.account.delete_contact(made_of["requester_id"], hard=True, force=True)
    assert freshdesk.ticket("1") is None
    assert freshdesk.files("1") == ()
    with pytest.raises(NotFound):
        freshdesk.write("1", Message("m", "m", "m"))
    with pytest.raises(NotFound):
        freshdesk.ticket("1/../../agents")


@pytest.mark.parametrize("cursor", ["", "[]", "{}", '{"since": "yesterday", "page": 1}', '{"since": null}'])
def test_what_is_no_cursor_of_ours_is_refused(freshdesk, cursor):
    with pytest.raises(BadInput):
        freshdesk.changed(cursor)


# -- files -------------------------------------------------------------------------------------------------------------
def read(freshdesk, file):
    with freshdesk.read(file) as pieces:
        return b"".join(pieces)


def test_files_of_a_ticket_and_of_everything_said_in_it_are_found(standing_in, freshdesk):
    whole = ticket(standing_in, FILE)
    for number in range(45):
        standing_in.account.reply(whole, {"body": "hm"}, [(f"{number}.txt", b"%d" % number, "text/plain")])
    files = freshdesk.files("1")
    assert len(files) == 46
    assert (files[0].name, files[0].size, files[0].part, files[0].media_type) == (
        "report.pdf",
        len(FILE[1]),
        None,
        "application/pdf",
    )
    assert read(freshdesk, files[45]) == b"44"


def test_a_signed_address_is_asked_without_our_credentials(standing_in, freshdesk):
    ticket(standing_in, FILE)
    (file,) = freshdesk.files("1")
    assert urlsplit(file.address).hostname == "localhost"
    assert read(freshdesk, file) == FILE[1]
    assert [one.status for one in standing_in.asked if one.place == "bucket"] == [200]


def test_an_address_that_ran_out_and_one_of_a_file_that_went_are_told_apart(standing_in, freshdesk, clock):
    ticket(standing_in, FILE)
    (file,) = freshdesk.files("1")
    clock.now += timedelta(minutes=6)
    with pytest.raises(DeskUnavailable):
        read(freshdesk, file)
    (file,) = freshdesk.files("1")
    freshdesk.delete(file)
    with pytest.raises(FileNotFoundError):
        read(freshdesk, file)


def test_files_on_hosts_that_nobody_allowed_are_not_fetched(standing_in, freshdesk):
    ticket(standing_in, FILE)
    (file,) = freshdesk.files("1")
    with pytest.raises(DeskRefused):
        read(freshdesk, replace(file, address="http://files.example.net/x"))


def test_a_deletion_is_looked_at_and_may_be_asked_for_twice(standing_in, freshdesk):
    ticket(standing_in, FILE, ("other.txt", b"other", "text/plain"))
    first, second = freshdesk.files("1")
    assert freshdesk.delete(first).gone
    assert freshdesk.delete(first).gone
    standing_in.account.undeletable.add(int(second.id))
    told = freshdesk.delete(second)
    assert (told.gone, told.reason) == (False, "Freshdesk does not let us delete it")


# -- notes -------------------------------------------------------------------------------------------------------------
def test_a_note_is_private_and_written_once(standing_in, freshdesk):
    whole = ticket(standing_in)
    for _ in range(40):
        standing_in.account.reply(whole, {"body": "hm"})
    message = Message("bilaga-1", "<p>bilaga-1</p>", "bilaga-1")
    first = freshdesk.write("1", message)
    assert freshdesk.write("1", message) == first
    (note,) = [one for one in standing_in.account.happenings if one.kind == "note"]
    assert note.text == "<p>bilaga-1</p>"
    freshdesk.write("1", Message("bilaga-2", "<p>bilaga-2</p>", "bilaga-2", public=True))
    assert standing_in.account.happenings[-1].kind == "reply"


# -- rate and credentials ----------------------------------------------------------------------------------------------
def test_wrong_credentials_are_refused_and_nothing_but_the_first_line_is_tried(standing_in):
    freshdesk = made(standing_in, token="another")
    with pytest.raises(DeskRefused):
        freshdesk.ticket("1")
    lines = freshdesk.check()
    assert [(one.name, one.ok) for one in lines] == [("API key", False)]


def test_a_storm_is_waited_out(standing_in, freshdesk):
    ticket(standing_in)
    standing_in.weather.storm = 2
    assert freshdesk.ticket("1") is not None
    assert [one.status for one in standing_in.calls("GET", "/tickets/1$")] == [429, 429, 200]


def test_a_system_that_wants_to_be_left_alone_for_long_says_so(standing_in, freshdesk):
    standing_in.weather.storm, standing_in.weather.retry_after = 99, 3600
    with pytest.raises(DeskUnavailable) as refused:
        freshdesk.ticket("1")
    assert refused.value.wait == 3600


def test_we_take_half_of_what_the_account_has(standing_in):
    now, slept = [0.0], []

    def sleep(seconds):
        slept.append(seconds)
        now[0] += seconds

    pace = Pace(now=lambda: now[0], sleep=sleep)
    for _ in range(25):
        pace.wait()
    assert now[0] == pytest.approx(24 * 60 / 25)  # of a trial's 50 a minute
    pace.heed({"x-ratelimit-total": "400", "x-ratelimit-remaining": "399"})
    pace.wait()
    before = now[0]
    pace.wait(3)
    pace.wait()
    assert now[0] - before == pytest.approx(4 * 60 / 200)
    pace.heed({"x-ratelimit-total": "400", "x-ratelimit-remaining": "12"})
    before = now[0]
    pace.wait()
    assert now[0] - before == pytest.approx(6.0)


def test_the_check_tells_what_works_and_what_does_not(standing_in):
    standing_in.account.create_company({"name": "Ymer AB", "custom_fields": {"contract_until": None}})
    good = made(standing_in, contract_field="contract_until", statuses={"Parked with the supplier": "closed"}).check()
    assert [one.ok for one in good] == [True] * 4
    assert good[2].detail == "taken for pending: Waiting on Customer, Waiting on Third Party"
    bad = made(standing_in, contract_field="nowhere", statuses={"Nobody's": "closed"}).check()
    assert [one.name for one in bad if not one.ok] == ["statuses", "contract's end"]


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"url": "http://acme.freshdesk.com", "allow_loopback": False}, "url"),
        ({"token": ""}, "token"),
        ({"statuses": {"Open": "maybe"}}, "statuses"),
        ({"webhook_secret": "short"}, "webhook_secret"),
        ({"colour": "green"}, "colour"),
    ],
)
def test_a_wrong_setting_is_named(standing_in, change, field):
    with pytest.raises(Misconfigured) as refused:
        make(section(standing_in, **change))
    assert refused.value.field == field


def test_the_recipe_names_the_header_and_sends_the_number_alone(standing_in):
    told = make(section(standing_in)).recipe("https://vault.example/hooks/fd", "s" * 32)
    assert "x-freshdesk-webhook-secret: " + "s" * 32 in told
    assert '{"ticket_id":"{{ticket.id}}"}' in told
