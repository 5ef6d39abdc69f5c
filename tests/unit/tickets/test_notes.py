"""What Bilaga writes on tickets: each thing once, whatever breaks in between."""

from __future__ import annotations

from dataclasses import replace

import pytest

from domain.actor import SYSTEM, Actor, Role
from domain.event import Event, EventKind
from domain.ticket import Standing, TicketStatus
from tests.desks.following import NAME, FollowingSite


@pytest.fixture
def site(tmp_path):
    site = FollowingSite(tmp_path, welcome="reply", notes=True)
    site.desk.open("old")
    site.clock.go(minutes=1)
    site.reconcile.add(NAME)
    site.clock.go(minutes=1)
    site.desk.now = site.clock()
    yield site
    site.close()


def arrive(site, source_id, *, link="l"):
    """A file came, by one of our links."""
    event = Event(
        EventKind.UPLOAD_FINISHED, Actor(Role.REQUESTER), "a", {"ticket": site.known(source_id).id, "link": link}
    )
    site.records.write(lambda unit: site.log.append(unit, event))


def test_a_new_ticket_gets_one_link_and_one_that_was_there_before_gets_none(site):
    site.desk.open("new")
    site.desk.open("closed", status=TicketStatus.CLOSED)
    site.desk.open("spam", standing=Standing.SPAM)
    assert site.round().notes_written == 1
    (note,) = site.desk.tickets["new"].notes
    assert note.public
    assert "https://bilaga.example/u/F-new-1" in note.html
    assert note.marker in note.html
    assert note.marker in note.text
    site.clock.go(minutes=2)
    site.round()
    assert [len(one.notes) for one in site.desk.tickets.values()] == [0, 1, 0, 0]
    assert site.links == 1


def test_a_link_whose_writing_nobody_confirmed_is_not_made_nor_written_again(site):
    site.desk.open("new")
    site.desk.after_write = True
    assert site.round().trouble == "desk-unavailable"
    assert len(site.desk.tickets["new"].notes) == 1
    site.clock.go(minutes=20)
    report = site.round()
    assert (report.notes_written, site.links, len(site.desk.tickets["new"].notes)) == (1, 1, 1)
    kept = site.records.read(lambda unit: unit.source_notes.get(site.known("new").id, "bilaga-welcome"))
    assert (kept.sealed, kept.note_id) == (None, "0")


def test_files_that_came_by_a_link_are_told_of_once_for_all_of_a_round(site):
    site.desk.open("new")
    site.round()
    arrive(site, "new")
    arrive(site, "new")
    arrive(site, "old", link=None)
    site.clock.go(minutes=2)
    assert site.round().notes_written == 1
    note = site.desk.tickets["new"].notes[-1]
    assert not note.public
    assert "https://bilaga.example/agent/tickets/F-new" in note.text
    assert site.round().notes_written == 0
    arrive(site, "new")
    assert site.round().notes_written == 1
    assert len(site.desk.tickets["new"].notes) == 3


def test_a_note_for_a_merged_ticket_goes_to_the_one_it_went_into_and_for_a_trashed_one_nowhere(site):
    for one in ("a", "b", "c"):
        site.desk.open(one)
    site.round()
    site.desk.stand("a", Standing.MERGED, "b")
    site.desk.stand("c", Standing.TRASHED)
    site.round()
    before = {name: len(one.notes) for name, one in site.desk.tickets.items()}
    arrive(site, "a")
    arrive(site, "c")
    assert site.round().notes_written == 1
    after = {name: len(one.notes) for name, one in site.desk.tickets.items()}
    assert {name: after[name] - before[name] for name in "abc"} == {"a": 0, "b": 1, "c": 0}


def test_what_may_not_be_written_waits_longer_each_time_and_is_given_up_in_the_end(site):
    site.desk.open("new")
    site.round()
    arrive(site, "new")
    site.notes.look_for_files(site.connectors.frames[NAME], lambda unit: None)
    site.desk.refuses = True
    for _ in range(14):
        site.notes.write(site.connectors.frames[NAME], site.desk, lambda unit: None, lambda: None)
        site.clock.go(days=1)
    assert site.records.read(lambda unit: unit.source_notes.count(NAME)) == 0


def test_a_site_that_writes_no_notes_does_not_write_old_ones_later(site):
    quiet = replace(site.connectors.frames[NAME], notes=False)
    site.desk.open("new")
    site.round()
    arrive(site, "new")
    site.notes.look_for_files(quiet, lambda unit: None)
    site.notes.look_for_files(site.connectors.frames[NAME], lambda unit: None)
    assert site.waiting() == []


def test_stale_facts_keep_a_due_file_and_are_named(site):
    ticket = site.put("by-hand")
    site.desk.open("new")
    site.round()
    purge = site.purge_with(fresh=site.freshness.check)
    kept, gone = site.send(site.known("new")), site.send(ticket)
    site.clock.go(days=400)
    report = purge.run(SYSTEM)
    assert [one.attachment_id for one in report.items] == [gone.id]
    assert [(one.attachment_id, one.reason) for one in report.failed] == [(kept.id, "facts-stale")]
    assert not report.complete
    site.round()
    assert [one.attachment_id for one in purge.run(SYSTEM).items] == [kept.id]


def test_a_ticket_that_was_reopened_there_is_not_erased_by_what_was_known_here(site):
    site.desk.open("new")
    site.round()
    kept = site.send(site.known("new"))
    site.clock.go(days=400)
    site.desk.now = site.clock()
    site.desk.change("new")
    site.reconcile.ask_about_due(NAME)
    report = site.purge_with(fresh=site.freshness.check).run(SYSTEM)
    assert (report.purged, report.failed) == (0, [])
    assert site.known("new").purge_due_at > site.clock()
    assert kept.id
