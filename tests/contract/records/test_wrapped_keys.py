from __future__ import annotations

import pytest

from domain.errors import StateConflict
from storage.records import Records, Unit, WrappedRow
from tests.contract.records.given import at_once, number


def a_key(n: int, *, purpose: str = "attachment", generation: int = 1, sealed: bytes = b"sealed") -> WrappedRow:
    return WrappedRow(owner_id=number(n), purpose=purpose, generation=generation, sealed=sealed)


def add(records: Records, *rows: WrappedRow) -> None:
    def work(unit: Unit) -> None:
        for row in rows:
            unit.keys.add(row)

    records.write(work)


def counts(records: Records, generation: int) -> tuple[int, int]:
    return records.read(lambda unit: (unit.keys.count(generation), unit.keys.uses(generation)))


def test_a_key_is_found_by_owner_and_purpose(records):
    add(records, a_key(1), a_key(1, purpose="ticket", sealed=b"other"))
    assert records.read(lambda unit: unit.keys.get(number(1), "attachment")) == a_key(1)
    assert records.read(lambda unit: unit.keys.get(number(1), "ticket")).sealed == b"other"
    assert records.read(lambda unit: unit.keys.get(number(1), "organisation")) is None
    assert records.read(lambda unit: unit.keys.get(number(2), "attachment")) is None


def test_a_key_is_never_written_over(records):
    add(records, a_key(1))
    with pytest.raises(StateConflict):
        add(records, a_key(1, sealed=b"other"))
    assert records.read(lambda unit: unit.keys.get(number(1), "attachment")) == a_key(1)
    assert counts(records, 1) == (1, 1)


def test_destroying_takes_all_of_an_owners_keys_and_nobody_elses(records):
    add(records, a_key(1), a_key(1, purpose="ticket"), a_key(2))
    assert records.write(lambda unit: unit.keys.destroy(number(1))) == 2
    assert records.write(lambda unit: unit.keys.destroy(number(1))) == 0
    assert records.read(lambda unit: unit.keys.get(number(1), "attachment")) is None
    assert records.read(lambda unit: unit.keys.get(number(2), "attachment")) == a_key(2)


def test_a_generation_counts_what_it_ever_wrapped(records):
    assert counts(records, 1) == (0, 0)
    add(records, a_key(1), a_key(2), a_key(3, generation=2))
    records.write(lambda unit: unit.keys.destroy(number(1)))
    assert counts(records, 1) == (1, 2)
    assert counts(records, 2) == (1, 1)


def test_a_use_is_counted_only_where_the_key_was_kept(records):
    def fail(unit):
        unit.keys.add(a_key(1))
        raise LookupError

    with pytest.raises(LookupError):
        records.write(fail)
    assert counts(records, 1) == (0, 0)


def test_uses_at_once_are_all_counted(records):
    at_once(16, lambda i: add(records, a_key(i)))
    assert counts(records, 1) == (16, 16)


def test_a_key_is_replaced_where_it_is_still_under_the_old_generation(records):
    add(records, a_key(1))
    new = a_key(1, generation=2, sealed=b"new")
    assert records.write(lambda unit: unit.keys.replace(new, generation=1)) is True
    assert records.write(lambda unit: unit.keys.replace(new, generation=1)) is False
    assert records.read(lambda unit: unit.keys.get(number(1), "attachment")) == new
    assert (counts(records, 1), counts(records, 2)) == ((0, 1), (1, 1))


def test_a_destroyed_key_does_not_come_back_by_replacing(records):
    add(records, a_key(1))
    records.write(lambda unit: unit.keys.destroy(number(1)))
    assert records.write(lambda unit: unit.keys.replace(a_key(1, generation=2), generation=1)) is False
    assert records.read(lambda unit: unit.keys.get(number(1), "attachment")) is None
    assert counts(records, 2) == (0, 0)


def test_older_keys_are_walked_over_in_order_of_owner_and_purpose(records):
    add(
        records,
        a_key(3),
        a_key(1, purpose="ticket"),
        a_key(1, purpose="attachment"),
        a_key(2, generation=3),
        a_key(4, generation=2),
    )

    def older(after, limit=10, below=3):
        rows = records.read(lambda unit: unit.keys.older_than(below, after=after, limit=limit))
        return [(row.owner_id, row.purpose) for row in rows]

    first, second = (number(1), "attachment"), (number(1), "ticket")
    assert older(None) == [first, second, (number(3), "attachment"), (number(4), "attachment")]
    assert older(None, below=2) == [first, second, (number(3), "attachment")]
    assert older(first, limit=1) == [second]
    assert older(second) == [(number(3), "attachment"), (number(4), "attachment")]
    assert older((number(4), "attachment")) == []


def test_every_key_is_walked_over(records):
    rows = [a_key(n, generation=n) for n in range(1, 6)]
    add(records, *rows)
    assert records.read(lambda unit: unit.keys.owners(after=None, limit=2)) == rows[:2]
    assert records.read(lambda unit: unit.keys.owners(after=(number(2), "attachment"), limit=9)) == rows[2:]
