"""Ticket systems' rows, hints, deliveries, notes and files, on either database."""

from __future__ import annotations

from dataclasses import replace

import pytest

from domain.actor import EVERYTHING
from domain.ids import AttachmentId, TicketId
from domain.source import SourceFileRow, SourceFileState
from domain.ticket import Standing
from storage.records import ConnectorRow, HintRow, NoteRow, Records
from tests.contract.records.given import HOUR, T0, TICK, a_ticket, digest, number

NAME = "fresh"
FIRST = TicketId(number(1))


@pytest.fixture
def stored(records: Records) -> Records:
    def begin(unit):
        for n in range(1, 4):
            unit.tickets.put(a_ticket(n))

    records.write(begin)
    return records


def a_file(n: int, **more) -> SourceFileRow:
    row = SourceFileRow(
        NAME, f"s{n}", "9", FIRST, None, None, SourceFileState.SEEN, None, 0, T0 + n * HOUR, T0, T0 + TICK
    )
    return replace(row, **more)


def a_note(marker: str, **more) -> NoteRow:
    return replace(NoteRow(FIRST, marker, NAME, public=True, sealed=None, created_at=T0, next_at=T0), **more)


def test_a_connector_comes_back_as_it_was_put_and_is_replaced_whole(records):
    row = ConnectorRow(NAME, "freshdesk", T0)
    full = replace(
        row,
        cursor="c",
        polled_at=T0 + TICK,
        organisations_cursor="o",
        organisations_at=T0 + HOUR,
        next_at=T0,
        failures=3,
        trouble="desk-refused",
        report="{}",
        reported_at=T0,
        journal_index=1 << 40,
        secret_number=2,
    )
    records.write(lambda unit: unit.connectors.put(row))
    assert records.read(lambda unit: unit.connectors.get(NAME)) == row
    records.write(lambda unit: unit.connectors.put(full))
    records.write(lambda unit: unit.connectors.put(ConnectorRow("a", "rt", T0)))
    assert records.read(lambda unit: [one.name for one in unit.connectors.all()]) == ["a", NAME]
    assert records.read(lambda unit: unit.connectors.get(NAME)) == full
    assert records.read(lambda unit: unit.connectors.get("b")) is None


def test_a_forgotten_connector_takes_its_hints_and_deliveries_with_it(records):
    def work(unit):
        unit.connectors.put(ConnectorRow(NAME, "freshdesk", T0))
        unit.hints.add(NAME, ["1"], now=T0)
        unit.hints.add("other", ["1"], now=T0)
        unit.hints.first(NAME, digest("a"), now=T0)
        unit.connectors.remove(NAME)
        return unit.connectors.get(NAME), unit.hints.count(NAME), unit.hints.count("other")

    assert records.write(work) == (None, 0, 1)
    assert records.write(lambda unit: unit.hints.first(NAME, digest("a"), now=T0)) is True


def test_a_ticket_is_hinted_at_once_and_the_newer_hint_stays(records):
    records.write(lambda unit: unit.hints.add(NAME, ["2", "1", "2"], now=T0))
    waiting = records.read(lambda unit: unit.hints.waiting(NAME, T0, limit=9))
    assert waiting == [HintRow(NAME, "1", T0, 0, T0), HintRow(NAME, "2", T0, 0, T0)]
    assert records.read(lambda unit: unit.hints.waiting(NAME, T0 - TICK, limit=9)) == []
    records.write(lambda unit: unit.hints.add(NAME, ["1"], now=T0 + TICK))
    records.write(lambda unit: [unit.hints.done(one) for one in waiting])
    assert records.read(lambda unit: unit.hints.count(NAME)) == 1
    (left,) = records.read(lambda unit: unit.hints.waiting(NAME, T0 + TICK, limit=9))
    records.write(lambda unit: unit.hints.put_off(left, next_at=T0 + HOUR))
    assert records.read(lambda unit: unit.hints.waiting(NAME, T0 + TICK, limit=9)) == []
    (late,) = records.read(lambda unit: unit.hints.waiting(NAME, T0 + HOUR, limit=9))
    assert late.attempts == 1
    records.write(lambda unit: unit.hints.add(NAME, ["1"], now=T0 + 2 * TICK))
    records.write(lambda unit: unit.hints.put_off(left, next_at=T0 + HOUR))
    assert len(records.read(lambda unit: unit.hints.waiting(NAME, T0 + HOUR - TICK, limit=9))) == 1


def test_a_delivery_is_known_again_until_it_is_swept(records):
    def first(at):
        return records.write(lambda unit: unit.hints.first(NAME, digest("a"), now=at))

    assert [first(T0), first(T0 + HOUR)] == [True, False]
    assert records.write(lambda unit: unit.hints.first("other", digest("a"), now=T0)) is True
    assert records.write(lambda unit: unit.hints.sweep(T0)) == 0
    assert records.write(lambda unit: unit.hints.sweep(T0 + TICK)) == 2
    assert first(T0 + HOUR) is True


def test_a_note_is_wanted_once_and_forgets_its_text_once_it_is_written(stored):
    note = a_note("welcome")
    assert stored.write(lambda unit: [unit.source_notes.add(note), unit.source_notes.add(note)]) == [True, False]
    stored.write(lambda unit: unit.source_notes.seal(note, b"text"))
    (sealed,) = stored.read(lambda unit: unit.source_notes.waiting(NAME, T0, limit=9))
    assert sealed == replace(note, sealed=b"text")
    stored.write(lambda unit: unit.source_notes.put_off(sealed, next_at=T0 + HOUR))
    assert stored.read(lambda unit: unit.source_notes.waiting(NAME, T0, limit=9)) == []
    assert stored.read(lambda unit: unit.source_notes.count(NAME)) == 1
    stored.write(lambda unit: unit.source_notes.written(sealed, note_id="7", at=T0 + HOUR))
    done = replace(note, attempts=1, next_at=T0 + HOUR, note_id="7", written_at=T0 + HOUR)
    assert stored.read(lambda unit: unit.source_notes.get(FIRST, "welcome")) == done
    assert stored.read(lambda unit: unit.source_notes.count(NAME)) == 0
    assert stored.read(lambda unit: unit.source_notes.waiting("other", T0 + HOUR, limit=9)) == []


def test_files_are_found_by_id_ticket_attachment_and_what_is_to_be_done(stored):
    kept = a_file(2, state=SourceFileState.KEPT, attachment_id=AttachmentId(number(8)), part="p", reason="why")
    stored.write(lambda unit: [unit.source_files.put(one) for one in (a_file(1), kept, a_file(3))])
    stored.write(lambda unit: unit.source_files.put(a_file(3, ticket_id=TicketId(number(2)), attempts=4)))

    def look(unit):
        files = unit.source_files
        both = {SourceFileState.SEEN, SourceFileState.KEPT}
        return (
            files.get(NAME, "s2"),
            files.get("other", "s2"),
            [one.source_id for one in files.of_ticket(FIRST)],
            files.of_attachment(AttachmentId(number(8))),
            [one.source_id for one in files.waiting(NAME, both, T0 + 2 * HOUR, limit=9)],
            [one.source_id for one in files.waiting(NAME, both, T0 + 9 * HOUR, limit=1)],
            dict(files.counts(NAME)),
            [one.source_id for one in files.page(NAME, SourceFileState.SEEN, after="s1", limit=9)],
        )

    counts = {SourceFileState.SEEN: 2, SourceFileState.KEPT: 1}
    assert stored.read(look) == (kept, None, ["s1", "s2"], kept, ["s1", "s2"], ["s1"], counts, ["s3"])


def test_tickets_are_found_by_what_their_system_calls_them(stored):
    def bind(unit):
        one = replace(a_ticket(1), version=2, connector=NAME, source_id="9", source_version=1 << 50, tags=("å", "b"))
        two = replace(a_ticket(2), version=2, connector=NAME, source_id="8", standing=Standing.MERGED)
        two = replace(two, merged_source_id="9", merged_into=FIRST, standing_since=T0, facts_at=T0 + HOUR)
        unit.tickets.put(one)
        unit.tickets.put(replace(two, purge_due_at=T0))
        return one

    one = stored.write(bind)

    def look(unit):
        tickets = unit.tickets
        return (
            tickets.by_source(NAME, "9"),
            tickets.by_source("other", "9"),
            [ticket.source_id for ticket in tickets.merged_here(NAME, "9")],
            [ticket.source_id for ticket in tickets.followers(FIRST)],
            [ticket.source_id for ticket in tickets.unseen(NAME, T0 + 2 * HOUR, limit=9)],
            [ticket.source_id for ticket in tickets.unseen(NAME, T0 + TICK, limit=9)],
            [ticket.source_id for ticket in tickets.due_unseen(NAME, T0, T0 + 2 * HOUR, limit=9)],
            [ticket.source_id for ticket in tickets.of_connector(NAME, limit=9)],
        )

    assert stored.read(look) == (one, None, ["8"], ["8"], ["9", "8"], ["9"], ["8"], ["8", "9"])
    stored.write(lambda unit: [unit.tickets.seen(FIRST, T0 + 5 * HOUR), unit.tickets.seen(FIRST, T0)])
    seen = stored.read(lambda unit: unit.tickets.by_id(FIRST, EVERYTHING))
    assert seen == replace(one, facts_at=T0 + 5 * HOUR)
