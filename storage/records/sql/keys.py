"""Wrapped data keys in SQL; each wrapping is counted with its generation, in the same transaction (S-35)."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import Connection, bindparam, delete, func, insert, select, tuple_, update

from storage.records.ports.keys import WrappedRow
from storage.records.schema.keys import generation_uses, wrapped_keys
from storage.records.sql.conflict import insert_new
from storage.records.sql.rows import columns_of, values_of
from storage.records.sql.upsert import Upsert

_ADD = insert(wrapped_keys)
_COUNT_USE = Upsert(
    generation_uses,
    lambda insert: insert.on_conflict_do_update(
        index_elements=[generation_uses.c.generation], set_={"uses": generation_uses.c.uses + 1}
    ),
)
_rows = select(*columns_of(wrapped_keys, WrappedRow))
_GET = _rows.where(wrapped_keys.c.owner_id == bindparam("owner"), wrapped_keys.c.purpose == bindparam("for_purpose"))
_DESTROY = delete(wrapped_keys).where(wrapped_keys.c.owner_id == bindparam("owner"))
_REPLACE = (
    update(wrapped_keys)
    .where(
        wrapped_keys.c.owner_id == bindparam("owner"),
        wrapped_keys.c.purpose == bindparam("for_purpose"),
        wrapped_keys.c.generation == bindparam("old_generation"),
    )
    .values(generation=bindparam("new_generation"), sealed=bindparam("new_sealed"))
)
_OWNERS = (
    _rows.where(
        tuple_(wrapped_keys.c.owner_id, wrapped_keys.c.purpose)
        > tuple_(bindparam("after_owner"), bindparam("after_purpose"))
    )
    .order_by(wrapped_keys.c.owner_id, wrapped_keys.c.purpose)
    .limit(bindparam("how_many"))
)
_OLDER = _OWNERS.where(wrapped_keys.c.generation < bindparam("below"))
_COUNT = select(func.count()).select_from(wrapped_keys).where(wrapped_keys.c.generation == bindparam("the_generation"))
_USES = select(generation_uses.c.uses).where(generation_uses.c.generation == bindparam("the_generation"))


class SqlWrappedKeys:
    """``ports.keys.WrappedKeys``."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def add(self, row: WrappedRow) -> None:
        """Raises StateConflict where the owner has a key for that purpose: a key is never written over."""
        insert_new(self._connection, _ADD, values_of(row))
        self._count_use(row.generation)

    def get(self, owner_id: str, purpose: str) -> WrappedRow | None:
        row = self._connection.execute(_GET, {"owner": owner_id, "for_purpose": purpose}).one_or_none()
        return None if row is None else WrappedRow(*row)

    def destroy(self, owner_id: str) -> int:
        return self._connection.execute(_DESTROY, {"owner": owner_id}).rowcount

    def replace(self, row: WrappedRow, *, generation: int) -> bool:
        values = {
            "owner": row.owner_id,
            "for_purpose": row.purpose,
            "old_generation": generation,
            "new_generation": row.generation,
            "new_sealed": row.sealed,
        }
        replaced = self._connection.execute(_REPLACE, values).rowcount == 1
        if replaced:
            self._count_use(row.generation)
        return replaced

    def older_than(self, generation: int, *, after: tuple[str, str] | None, limit: int) -> Sequence[WrappedRow]:
        rows = self._connection.execute(_OLDER, {**_page(after, limit), "below": generation})
        return [WrappedRow(*row) for row in rows]

    def count(self, generation: int) -> int:
        count: int = self._connection.execute(_COUNT, {"the_generation": generation}).scalar_one()
        return count

    def uses(self, generation: int) -> int:
        return self._connection.execute(_USES, {"the_generation": generation}).scalar_one_or_none() or 0

    def owners(self, *, after: tuple[str, str] | None, limit: int) -> Sequence[WrappedRow]:
        return [WrappedRow(*row) for row in self._connection.execute(_OWNERS, _page(after, limit))]

    def _count_use(self, generation: int) -> None:
        _COUNT_USE.execute(self._connection, {"generation": generation, "uses": 1})


def _page(after: tuple[str, str] | None, limit: int) -> dict[str, str | int]:
    owner, purpose = after or ("", "")
    return {"after_owner": owner, "after_purpose": purpose, "how_many": limit}
