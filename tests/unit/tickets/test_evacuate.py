"""Evacuation: files come home, are told of and deleted at their source; what stays is named."""

from __future__ import annotations

from datetime import timedelta
from hashlib import sha256

import pytest

from domain.actor import EVERYTHING
from domain.attachment import AttachmentState, Scan
from domain.errors import BlobsUnavailable, DeskUnavailable, StateConflict
from keys import Lease
from storage.blobs.memory import MemoryBlobStore
from tests.contract.scanner.fake_scanner import PATTERN, FakeScanner
from tests.desks.freshdesk import Freshdesk
from tests.desks.freshdesk_account import Account
from tests.desks.freshdesk_answers import Problem
from tests.evacuations import FILES, EvacuationSite, attachments_of, check_happenings, kept_here
from tests.small_site import FakeClock
from tickets.evacuated import Left
from transfer import Limits


class Switched(MemoryBlobStore):
    """A store that can be away."""

    away = False

    def create(self, blob_id, expected_size):
        if self.away:
            raise BlobsUnavailable
        return super().create(blob_id, expected_size)


@pytest.fixture(scope="module")
def served():
    with Freshdesk() as desk:
        yield desk


@pytest.fixture
def standing_in(served):
    served.begin(Account(clock=FakeClock()))
    return served


@pytest.fixture
def make_site(tmp_path, standing_in):
    made = []

    def make(**how):
        site = EvacuationSite(tmp_path, standing_in, **how)
        standing_in.account.clock = site.clock
        made.append(site)
        return site

    yield make
    for site in made:
        site.close()


@pytest.fixture
def site(make_site):
    return make_site()


# -- the whole way -----------------------------------------------------------------------------------------------------
def test_files_come_home_are_told_of_and_are_deleted_there(site):
    number = site.ticket_with()
    site.account.reply(site.account.ticket(number), {"body": "see this"}, [("more.csv", b"a;b\n", "text/csv")])
    report = site.evacuate()
    assert (report.seen, report.kept, report.notes, report.deleted) == (3, 3, 1, 3)
    assert report.kept_bytes == sum(len(one[1]) for one in FILES) + 4
    assert report.complete
    assert site.contents() == [FILES[0][1], FILES[1][1], b"a;b\n"]
    assert site.states() == ["deleted"] * 3
    assert site.there() == []
    check_happenings(site.rows(), site.standing_in, kept_here(site))
    (note,) = site.notes()
    for row in site.rows():
        assert f"https://vault.example/agent/attachments/{row.attachment_id}/content" in note
    assert "https://vault.example/agent/tickets/FD-1" in note
    assert site.passed.count("evacuation-deleted") == 3


def test_each_deletion_is_in_the_audit_log_and_so_is_who_brought_the_file(site):
    site.ticket_with()
    site.evacuate()
    first, second = site.events("file.evacuated")
    assert {first["subject"], second["subject"]} == {row.attachment_id for row in site.rows()}
    assert first["facts"]["connector"] == "fd"
    assert {one["actor"]["role"] for one in site.events("upload.finished")} == {"connector"}


def test_a_file_that_lay_there_before_makes_its_ticket_no_younger(site):
    site.ticket_with()
    site.clock.go(days=300)
    site.evacuate()
    site.evacuate()  # our own note changed the ticket there
    ticket = site.records.read(lambda unit: unit.tickets.by_source("fd", "1"))
    assert (ticket.last_activity_at, ticket.ref) == (ticket.opened_at, "FD-1")
    assert site.touches == []


def test_a_second_run_does_nothing_twice(site):
    site.ticket_with()
    site.evacuate()
    done = len(site.account.happenings)
    report = site.evacuate()
    assert (report.seen, report.kept, report.notes, report.deleted, report.complete) == (0, 0, 0, 0, True)
    assert len(site.account.happenings) == done


def test_files_that_come_later_get_a_note_of_their_own(site):
    site.ticket_with()
    site.evacuate()
    site.clock.go(minutes=5)
    site.account.mail_from_requester(1, "one more", [("late.txt", b"late", "text/plain")])
    assert site.evacuate().deleted == 1
    assert len(site.notes()) == 2
    check_happenings(site.rows(), site.standing_in, kept_here(site))


def test_a_dry_run_tells_and_changes_nothing(site):
    site.ticket_with()
    report = site.evacuation().look()
    assert (report.seen, report.tickets, report.kept_bytes) == (2, 1, sum(len(one[1]) for one in FILES))
    assert (site.rows(), site.account.happenings, len(site.there())) == ([], [], 2)
    assert site.records.read(lambda unit: unit.tickets.by_source("fd", "1")) is None


def test_without_deletion_files_are_copied_and_told_of_and_stay(site):
    site.ticket_with()
    report = site.evacuate(delete=False)
    assert (report.kept, report.notes, report.deleted, report.complete) == (2, 1, 0, True)
    assert site.states() == ["noted", "noted"]
    assert len(site.there()) == 2
    assert site.evacuate(delete=False).complete
    site.account.update_ticket(1, {"priority": 2})
    assert site.evacuate(delete=True).deleted == 2


# -- what is left, and why ---------------------------------------------------------------------------------------------
def test_an_infected_file_is_left_and_its_ticket_warned_once(make_site):
    site = make_site(scanner=FakeScanner())
    site.ticket_with(("good.txt", b"good", "text/plain"), ("<b>bad</b>.txt", PATTERN, "text/plain"))
    report = site.evacuate()
    assert site.states() == ["deleted", "infected"]
    assert [one.reason for one in report.left] == ["infected"]
    assert not report.complete
    warning, moved = site.notes()
    assert "&lt;b&gt;bad&lt;/b&gt;.txt" in warning
    assert "good.txt" in moved
    assert site.there() == ["<b>bad</b>.txt"]
    site.evacuate(again=True)
    assert len(site.notes()) == 2


def test_a_file_that_waits_for_its_scan_is_not_deleted_before_it_is_clean(site):
    site.ticket_with(FILES[0])

    def put_scan_off(passed):
        if passed == "evacuation-noted":
            (row,) = site.rows()
            site.change(row.attachment_id, state=AttachmentState.SCANNING, scan=Scan.PENDING)

    report = site.evacuate(steps=put_scan_off)
    assert (site.states(), report.waiting, report.complete, site.there()) == (["noted"], 1, False, ["report.pdf"])
    (row,) = site.rows()
    site.change(row.attachment_id, state=AttachmentState.AVAILABLE, scan=Scan.CLEAN)
    site.due_again()
    assert site.evacuate().deleted == 1


@pytest.mark.parametrize(
    ("state", "reason"),
    [
        (AttachmentState.QUARANTINED, "quarantined"),
        (AttachmentState.PURGED, "erased-here"),
        (AttachmentState.DAMAGED, "not-as-kept"),
    ],
)
def test_what_nobody_can_get_here_is_not_deleted_there(site, state, reason):
    site.ticket_with(FILES[0])
    site.evacuate(delete=False)
    site.change(site.rows()[0].attachment_id, state=state)
    site.account.update_ticket(1, {"priority": 2})
    site.evacuate()
    assert (site.states(), site.there()) == ([reason], ["report.pdf"])


def test_a_scanner_or_a_store_that_is_away_stops_the_run_and_deletes_nothing(make_site):
    scanner, store = FakeScanner(), Switched()
    site = make_site(scanner=scanner, blobs=store)
    site.ticket_with()
    scanner.down = True
    report = site.evacuate()
    assert (report.stopped, report.more, report.kept) == ("scanner-unavailable", True, 0)
    scanner.down, store.away = False, True
    report = site.evacuate()
    assert (report.stopped, site.states(), len(site.there())) == ("store-unavailable", ["seen", "seen"], 2)
    store.away = False
    assert site.evacuate().deleted == 2
    check_happenings(site.rows(), site.standing_in, kept_here(site))


def test_what_the_store_lost_or_changed_is_not_deleted_there(site):
    site.ticket_with()
    site.evacuate(delete=False)
    first, second = (site.row(row.attachment_id) for row in site.rows())
    site.tamper(first, lambda sealed: sealed[:-1] + bytes([sealed[-1] ^ 1]))
    site.ground.put_sealed(second.blob_id, None)
    site.account.update_ticket(1, {"priority": 2})
    report = site.evacuate()
    assert (site.states(), report.deleted) == (["not-as-kept"] * 2, 0)
    assert len(site.there()) == 2


def test_limits_of_ours_leave_files_where_they_are_and_they_are_taken_up_again_when_asked(make_site):
    site = make_site(limits=Limits(max_file_size=30))
    site.ticket_with(*FILES, ("evil.exe", b"MZ", "application/octet-stream"))
    report = site.evacuate()
    assert site.states() == ["deleted", "too-large", "media-type"]
    assert {one.reason for one in report.left} == {"too-large", "media-type"}
    assert site.evacuate().left == report.left  # named by every run, and not tried again
    site.reception._limits = site.sealing._limits = Limits(max_file_size=300)
    site.evacuate()
    assert site.states()[1] == "too-large"
    site.evacuate(again=True)
    assert site.states() == ["deleted", "deleted", "media-type"]


def test_a_file_that_may_not_be_deleted_is_kept_told_of_and_named(site):
    site.ticket_with()
    (first, _) = site.account.files
    site.account.undeletable.add(first)
    report = site.evacuate()
    assert site.states() == ["not-deletable", "deleted"]
    assert [(one.ticket, one.file, one.reason) for one in report.left] == [("1", str(first), "not-deletable")]
    assert len(site.contents()) == 2
    site.account.undeletable.clear()
    site.evacuate(again=True)
    assert site.states() == ["deleted", "deleted"]
    assert len(site.notes()) == 1


@pytest.mark.parametrize(("announced", "state"), [(-1, Left.LARGER), (1, "seen")])
def test_a_file_that_is_not_as_long_as_was_announced_is_not_taken(site, announced, state):
    site.ticket_with(FILES[0])
    (file,) = site.account.files.values()
    file.announced = len(file.content) + announced
    report = site.evacuate()
    assert (site.states(), report.kept, report.complete) == ([state], 0, False)
    assert attachments_of(site, 1) == 0
    for _ in range(10):
        site.due_again()
        site.evacuate()
    assert site.states() == [Left.LARGER if announced < 0 else Left.INCOMPLETE]
    assert site.there() == ["report.pdf"]


def test_a_file_that_became_another_is_not_deleted(site):
    site.ticket_with(FILES[0])
    site.evacuate(delete=False)
    (file,) = site.account.files.values()
    file.content += b"more"
    site.account.update_ticket(1, {"priority": 2})
    site.evacuate()
    assert (site.states(), site.there()) == (["changed"], ["report.pdf"])


def test_a_file_that_vanished_before_it_was_fetched_is_named_and_taken_up_when_it_is_back(site):
    site.ticket_with(FILES[0])
    (file,) = site.account.files.values()

    def vanish(moment, method, path):
        if moment == "before" and path == "/bucket":
            file.gone = True

    site.standing_in.meeting = vanish
    report = site.evacuate()
    assert (site.states(), [one.reason for one in report.left]) == (["vanished"], ["vanished"])
    site.standing_in.meeting = lambda *_: None
    file.gone = False
    site.account.update_ticket(1, {"priority": 2})
    site.evacuate()
    assert site.states() == ["deleted"]


def test_a_file_under_the_number_of_one_that_is_gone_is_another_one(site):
    site.ticket_with(FILES[0])
    site.evacuate()
    (file,) = site.account.files.values()
    file.gone, file.content = False, file.content[::-1]  # of the same length
    site.account.update_ticket(1, {"priority": 2})
    assert site.evacuate().deleted == 1
    assert site.contents() == [FILES[0][1][::-1]]
    assert attachments_of(site, 1) == 2


@pytest.mark.parametrize("how", ["trashed", "gone"])
def test_a_ticket_that_goes_meanwhile_takes_its_files_along_and_that_is_named(site, how):
    site.ticket_with()
    site.evacuate(delete=False)
    assert site.states() == ["noted", "noted"]
    if how == "trashed":
        site.account.delete_ticket(1)
    else:
        site.account.delete_contact(site.account.tickets[1]["requester_id"], hard=True, force=True)
    site.due_again()
    report = site.evacuate()
    assert site.states() == [f"ticket-{how}"] * 2
    assert len(report.left) == 2
    if how == "trashed":
        site.account.restore_ticket(1)
        site.evacuate()
        assert site.states() == ["deleted"] * 2


def test_files_that_a_merge_moved_are_told_of_where_they_are_now(site):
    site.ticket_with(FILES[0])
    site.ticket_with(FILES[1])
    site.evacuate(delete=False)
    site.account.merge({"primary_id": 1, "ticket_ids": [2]})
    site.evacuate()
    assert {row.source_ticket_id for row in site.rows(1)} == {"1"}
    assert site.states(1) == ["deleted", "deleted"]
    moved = site.rows(1)[1]
    assert sum(moved.attachment_id in note for note in site.notes(1)) == 1


# -- things that go wrong on the way -----------------------------------------------------------------------------------
@pytest.mark.parametrize(
    "name",
    ["../../etc/passwd", "<script>.txt", "a\x00b.txt", "x" * 3000 + ".txt", " ", "CON", "\u202egpj.txt", "ä\ud800"],
)
def test_odd_names_keep_no_file_from_us(site, name):
    site.ticket_with((name, b"body", "text/plain"))
    site.evacuate()
    assert site.states() == ["deleted"]
    assert site.contents() == [b"body"]
    assert "<script>" not in "".join(site.notes())


def test_an_empty_file_comes_home_too(site):
    site.ticket_with(("empty.txt", b"", "text/plain"))
    site.evacuate()
    assert (site.states(), site.contents()) == (["deleted"], [b""])


def test_an_address_that_runs_out_on_the_way_is_asked_for_anew(site):
    site.ticket_with()

    def late(moment, method, path):
        if (moment, path) == ("before", "/bucket") and not site.account.happenings:
            site.clock.go(minutes=6)
            site.standing_in.meeting = lambda *_: None

    site.standing_in.meeting = late
    report = site.evacuate()
    assert (report.deleted, report.complete) == (2, True)
    assert [one.status for one in site.standing_in.asked if one.place == "bucket"] == [403, 200, 200]


def test_a_download_that_breaks_off_leaves_nothing_and_comes_again(site):
    site.ticket_with()
    site.standing_in.weather.cut = 2
    report = site.evacuate()
    assert (report.deleted, report.complete) == (2, True)
    assert attachments_of(site, 1) == 2
    assert site.findings() == []


def test_a_storm_of_refusals_is_waited_out(site):
    site.ticket_with()
    site.standing_in.weather.storm = 2
    assert site.evacuate().complete


def test_a_long_wait_is_kept_where_there_is_patience_and_ends_the_run_where_there_is_none(site):
    site.ticket_with()
    weather = site.standing_in.weather
    weather.storm, weather.retry_after = 1, 45
    assert site.evacuate().stopped == "desk-unavailable"
    weather.storm = 1
    report = site.evacuate(wait=timedelta(minutes=2))
    assert (report.stopped, sum(site.slept)) == (None, 45)
    assert report.complete


def test_a_system_that_goes_down_in_the_middle_is_gone_on_with_later(site):
    site.ticket_with()
    site.ticket_with()

    def down(moment, method, path):
        if (moment, method) == ("done", "POST"):
            site.standing_in.weather.down = True

    site.standing_in.meeting = down
    report = site.evacuate()
    assert (report.stopped, report.deleted) == ("desk-unavailable", 0)
    site.standing_in.meeting = lambda *_: None
    site.standing_in.weather.down = False
    site.due_again()
    report = site.evacuate()
    assert report.complete
    check_happenings([*site.rows(1), *site.rows(2)], site.standing_in, kept_here(site))


def test_a_ticket_that_cannot_be_read_holds_up_no_other_and_is_asked_about_again(site):
    for _ in range(3):
        site.ticket_with()
    broken = [True]

    def refuse(moment, method, path):
        if broken[0] and moment == "before" and path == "/api/v2/tickets/2":
            raise Problem(403)

    site.standing_in.meeting = refuse
    report = site.evacuate()
    assert [(one.ticket, one.reason) for one in report.trouble] == [("2", "desk-refused")]
    assert report.deleted == 4
    broken[0] = False
    report = site.evacuate()
    assert (report.deleted, report.complete) == (2, True)


def test_wrong_rights_stop_the_run(site):
    for _ in range(5):
        site.ticket_with()

    def refuse(moment, method, path):
        if moment == "before" and path.startswith("/api/v2/tickets/"):
            raise Problem(403)

    site.standing_in.meeting = refuse
    report = site.evacuate()
    assert (report.stopped, len(report.trouble)) == ("desk-refused", 3)


# -- more than one -----------------------------------------------------------------------------------------------------
def test_one_run_at_a_time(site):
    site.ticket_with()
    with Lease(site.records, "evacuation:fd", length=timedelta(minutes=1)), pytest.raises(StateConflict):
        site.evacuate()
    assert site.rows() == []
    assert site.evacuate().complete


@pytest.mark.parametrize("step", ["evacuation-seen", "evacuation-kept", "evacuation-written", "evacuation-removed"])
def test_a_run_that_lost_its_lease_has_no_effect_here_any_more(site, step):
    site.ticket_with(FILES[0])
    taken: list[str] = []

    def take_over(passed):
        if passed == step and not taken:
            taken.append(passed)
            site.records.write(lambda unit: unit.leases.end_all())
            with Lease(site.records, "evacuation:fd", length=timedelta(minutes=1)):
                pass

    with pytest.raises(StateConflict):
        site.evacuate(steps=take_over)
    before = site.states()
    assert before == {"evacuation-seen": ["seen"], "evacuation-kept": ["kept"]}.get(step, [before[0]])
    assert before[0] != "deleted"
    assert site.evacuate().complete
    check_happenings(site.rows(), site.standing_in, kept_here(site))
    assert attachments_of(site, 1) == 1


def test_a_run_stops_between_two_steps_when_it_is_told_to(site):
    for _ in range(3):
        site.ticket_with()
    asked = []

    def enough():
        asked.append(1)
        return len(asked) > 8

    report = site.evacuation().run(enough=enough)
    assert report.more
    site.due_again()
    assert site.evacuate().complete
    assert sha256(b"".join(site.contents(3))).digest() == sha256(FILES[0][1] + FILES[1][1]).digest()


def test_an_unreachable_system_is_told_by_a_dry_run(site):
    site.standing_in.weather.down = True
    with pytest.raises(DeskUnavailable):
        site.evacuation().look()


def test_two_connectors_keep_their_files_apart(site):
    site.ticket_with()
    assert site.evacuate(delete=False).complete
    ticket = site.records.read(lambda unit: unit.tickets.by_source("fd", "1"))
    assert len(site.records.read(lambda unit: unit.source_files.of_ticket(ticket.id))) == 2
    assert site.rows(connector="other") == []
    assert site.records.read(lambda unit: unit.tickets.get("FD-1", EVERYTHING)).connector == "fd"
