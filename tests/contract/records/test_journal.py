from __future__ import annotations

import hashlib

import pytest

from domain.errors import StateConflict
from storage.records import Checkpoint, JournalEntry, JournalFilter, Records, Unit
from tests.contract.records.given import T0, TICK, at_once, number


def an_entry(index: int, *, kind: str = "link.made", subject: str | None = None, by: str | None = None) -> JournalEntry:
    body = f'{{"i":{index}}}'.encode()
    return JournalEntry(
        index=index,
        body=body,
        leaf=hashlib.sha256(b"\0" + body).digest(),
        at=T0 + index * TICK,
        kind=kind,
        subject=subject,
        principal_id=by,
    )


def a_checkpoint(size: int, *, root: bytes = b"r" * 32) -> Checkpoint:
    return Checkpoint(size=size, root=root, note=f"note {size}\n", frontier=b"f" * 64, at=T0, exported_at=None)


def append(records: Records, *entries: JournalEntry) -> None:
    def work(unit: Unit) -> None:
        for entry in entries:
            unit.journal.append(entry)

    records.write(work)


def test_entries_come_back_as_they_were_appended(records):
    entries = [an_entry(i, subject=f"s{i}", by=number(i)) for i in range(5)]
    append(records, *entries)
    assert records.read(lambda unit: unit.journal.size()) == 5
    assert records.read(lambda unit: unit.journal.entries(0, 10)) == entries
    assert records.read(lambda unit: unit.journal.entries(3, 1)) == entries[3:4]
    assert records.read(lambda unit: unit.journal.entries(5, 1)) == []


def test_an_empty_journal_has_size_nothing(records):
    assert records.read(lambda unit: unit.journal.size()) == 0
    assert records.read(lambda unit: unit.journal.last_checkpoint()) is None


@pytest.mark.parametrize("index", [0, 1, 3, -1])
def test_any_index_but_the_next_is_refused(records, index):
    append(records, an_entry(0), an_entry(1))
    with pytest.raises(StateConflict):
        append(records, an_entry(index))
    assert records.read(lambda unit: unit.journal.entries(0, 10)) == [an_entry(0), an_entry(1)]


def test_the_first_index_is_nothing_else_than_0(records):
    with pytest.raises(StateConflict):
        append(records, an_entry(1))


def test_what_is_rolled_back_leaves_no_gap(records):
    append(records, an_entry(0))

    def fail(unit):
        unit.journal.append(an_entry(1))
        raise LookupError

    with pytest.raises(LookupError):
        records.write(fail)
    append(records, an_entry(1))
    assert records.read(lambda unit: unit.journal.size()) == 2


def test_writers_at_once_number_without_a_gap(records):
    def one(_: int) -> None:
        records.write(lambda unit: unit.journal.append(an_entry(unit.journal.size())))

    at_once(16, one)
    assert [entry.index for entry in records.read(lambda unit: unit.journal.entries(0, 99))] == list(range(16))


def test_of_writers_of_one_index_at_once_one_wins(records):
    def one(_: int) -> bool:
        try:
            append(records, an_entry(0))
        except StateConflict:
            return False
        return True

    assert at_once(8, one).count(True) == 1


def test_entries_are_found_by_what_they_say_newest_first(records):
    append(
        records,
        an_entry(0, kind="link.made", subject="a", by=number(1)),
        an_entry(1, kind="link.revoked", subject="a", by=number(2)),
        an_entry(2, kind="link.made", subject="b", by=number(1)),
        an_entry(3, kind="link.made", subject="a"),
    )

    def found(what: JournalFilter, before: int | None = None, limit: int = 10) -> list[int]:
        entries = records.read(lambda unit: unit.journal.find(what, before=before, limit=limit))
        return [entry.index for entry in entries]

    assert found(JournalFilter()) == [3, 2, 1, 0]
    assert found(JournalFilter(), limit=2) == [3, 2]
    assert found(JournalFilter(), before=2) == [1, 0]
    assert found(JournalFilter(kind="link.made")) == [3, 2, 0]
    assert found(JournalFilter(kind="link.made"), before=3, limit=1) == [2]
    assert found(JournalFilter(subject="a")) == [3, 1, 0]
    assert found(JournalFilter(principal_id=number(1))) == [2, 0]
    assert found(JournalFilter(since=T0 + TICK, until=T0 + 3 * TICK)) == [2, 1]
    assert found(JournalFilter(kind="link.made", subject="a", principal_id=number(1))) == [0]
    assert found(JournalFilter(kind="no.such")) == []


def test_the_newest_checkpoint_is_the_largest(records):
    for size in (3, 7, 5):
        records.write(lambda unit, size=size: unit.journal.add_checkpoint(a_checkpoint(size)))
    assert records.read(lambda unit: unit.journal.last_checkpoint()) == a_checkpoint(7)
    assert records.read(lambda unit: unit.journal.checkpoints(4, 10)) == [a_checkpoint(5), a_checkpoint(7)]
    assert records.read(lambda unit: unit.journal.checkpoints(0, 1)) == [a_checkpoint(3)]


def test_the_same_checkpoint_may_be_kept_twice_and_another_root_never(records):
    records.write(lambda unit: unit.journal.add_checkpoint(a_checkpoint(3)))
    records.write(lambda unit: unit.journal.add_checkpoint(a_checkpoint(3)))
    with pytest.raises(StateConflict):
        records.write(lambda unit: unit.journal.add_checkpoint(a_checkpoint(3, root=b"x" * 32)))
    assert records.read(lambda unit: unit.journal.checkpoints(0, 10)) == [a_checkpoint(3)]


def test_a_checkpoint_is_marked_exported_once(records):
    records.write(lambda unit: unit.journal.add_checkpoint(a_checkpoint(3)))
    records.write(lambda unit: unit.journal.mark_exported(3, at=T0 + TICK))
    records.write(lambda unit: unit.journal.mark_exported(3, at=T0 + 2 * TICK))
    assert records.read(lambda unit: unit.journal.last_checkpoint()).exported_at == T0 + TICK
