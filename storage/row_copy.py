"""Every row of one database in another, of any kind: made so, and proved by a digest of each table on both sides.

Tables are walked in the order of their keys on both sides at once, in pages. So it may be stopped at any moment and
begun again, and it may find in the target an older state of the same site: what differs is changed, what has gone since
is deleted. The audit log is only ever carried on; a target with another past is refused.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from itertools import islice

from domain.errors import Damaged, Misconfigured
from storage.records import Records, Row, Table, Unit, Value

BATCH = 500
LeftOut = Callable[[Table, Row], bool]
"""Whether a row belongs to one database alone: it is neither copied nor looked at in the other."""


@dataclass(frozen=True, slots=True)
class TableDigest:
    """A table's rows in number, and the SHA-256 of all of them in the order of their keys."""

    name: str
    rows: int
    sha256: bytes


def _silent(table: str, rows: int) -> None:
    """Nobody wants to know."""


class RowCopy:
    """One copy. Nobody else may write to either side. ``told`` hears of each table's rows as they are carried over;
    ``steps``, a seam for tests, of each transaction (``rows``).

    Its calls raise Unavailable, and Misconfigured where the target has another audit log than the source.
    """

    def __init__(
        self,
        source: Records,
        target: Records,
        *,
        left_out: LeftOut,
        told: Callable[[str, int], None] = _silent,
        steps: Callable[[str], None] = lambda _: None,
        batch: int = BATCH,
    ) -> None:
        self._source = source
        self._target = target
        self._left_out = left_out
        self._told = told
        self._steps = steps
        self._batch = batch
        self._tables = source.read(lambda unit: unit.tables.all())

    def run(self) -> None:
        """Make the target's rows those of the source."""
        for table in reversed(self._tables):  # children before what they point to
            self._remove(table)
        for table in self._tables:
            self._carry(table)
            self._target.write(partial(_renumber, table=table))

    def compare(self) -> list[TableDigest]:
        """Read everything back on both sides. Raises Damaged where they are not the same."""
        return [self._same(table) for table in self._tables]

    def _remove(self, table: Table) -> None:
        gone = (there for here, there in self._pairs(table) if here is None and there is not None)
        while rows := list(islice(gone, self._batch)):
            if table.kept:
                raise _another_past()
            self._target.write(partial(_delete, table=table, keys=[table.key_of(row) for row in rows]))
            self._steps("rows")

    def _carry(self, table: Table) -> None:
        different = ((here, there) for here, there in self._pairs(table) if here is not None and here != there)
        carried = 0
        while pairs := list(islice(different, self._batch)):
            added = [here for here, there in pairs if there is None]
            changes = [_difference(table, here, there) for here, there in pairs if there is not None]
            if any(set(change) & table.kept for _, change in changes):
                raise _another_past()
            # Rows that changed first: what was unique and is no more makes room for what comes.
            self._target.write(partial(_put, table=table, changes=changes, added=added))
            self._steps("rows")
            carried += len(pairs)
            self._told(table.name, carried)

    def _same(self, table: Table) -> TableDigest:
        here, there = (
            _digest(table, self._rows(records, table, self._batch)) for records in (self._source, self._target)
        )
        if here != there:
            raise Damaged(f"table {table.name}: {here.rows} rows here and {there.rows} there, which are not the same")
        return here

    def _pairs(self, table: Table) -> Iterator[tuple[Row | None, Row | None]]:
        """Rows of both sides by key; None where a side has none of that key."""
        heres, theres = (self._rows(records, table, self._batch) for records in (self._source, self._target))
        there = next(theres, None)
        here = next(heres, None)
        while here is not None or there is not None:
            if there is None or (here is not None and _before(table, here, there)):
                yield here, None
                here = next(heres, None)
            elif here is None or _before(table, there, here):
                yield None, there
                there = next(theres, None)
            else:
                yield here, there
                here, there = next(heres, None), next(theres, None)

    def _rows(self, records: Records, table: Table, limit: int) -> Iterator[Row]:
        after: Row | None = None
        while rows := records.read(partial(_page, table=table, after=after, limit=limit)):
            yield from (row for row in rows if not self._left_out(table, row))
            after = table.key_of(rows[-1])


def encode(row: Row) -> bytes:
    """A row's values one behind the other, such that no two rows are alike: kind, length, value."""
    return b"".join(_encoded(value) for value in row)


def _encoded(value: Value) -> bytes:
    match value:
        case None:
            return b"n"
        case bytes():
            return b"b%d:%b" % (len(value), value)
        case str():
            text = value.encode()
            return b"s%d:%b" % (len(text), text)
        case _:
            return b"i%d:" % value


def _digest(table: Table, rows: Iterator[Row]) -> TableDigest:
    digest, count = hashlib.sha256(), 0
    for row in rows:
        digest.update(encode(row) + b";")
        count += 1
    return TableDigest(table.name, count, digest.digest())


def _before(table: Table, one: Row, other: Row) -> bool:
    # Keys are never null, and those of a table are all of the same kinds.
    return table.key_of(one) < table.key_of(other)


def _difference(table: Table, here: Row, there: Row) -> tuple[Row, dict[str, Value]]:
    columns = zip(table.columns, here, there, strict=True)
    return table.key_of(here), {name: new for name, new, old in columns if new != old}


def _page(unit: Unit, *, table: Table, after: Row | None, limit: int) -> list[Row]:
    return list(unit.tables.page(table, after=after, limit=limit))


def _put(unit: Unit, *, table: Table, changes: list[tuple[Row, dict[str, Value]]], added: list[Row]) -> None:
    for key, values in changes:
        unit.tables.change(table, key, values)
    unit.tables.add(table, added)


def _delete(unit: Unit, *, table: Table, keys: list[Row]) -> None:
    unit.tables.delete(table, keys)


def _renumber(unit: Unit, *, table: Table) -> None:
    unit.tables.renumber(table)


def _another_past() -> Misconfigured:
    return Misconfigured("The target's audit log is not a beginning of this site's: it belongs to another history.")
