"""Parts of uploads in SQL."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from itertools import islice
from typing import Any

from sqlalchemy import Connection, bindparam, delete, insert, select, tuple_

from domain.ids import BlobId, UploadId
from domain.upload import UploadPart
from storage.records.schema.uploads import upload_parts, uploads
from storage.records.sql.rows import columns_of, values_of

_BATCH = 500

_c = upload_parts.c
_SELECT = select(*columns_of(upload_parts, UploadPart))
_ADD = insert(upload_parts)
_OF = _SELECT.where(_c.upload_id == bindparam("the_id")).order_by(_c.number)
_DELETE = delete(upload_parts).where(_c.upload_id == bindparam("the_id"))
_OWNS = select(_c.upload_id).where(_c.owner_id == bindparam("the_owner_id")).limit(1)
_IN_PARTS = select(_c.blob_id).where(_c.blob_id.in_(bindparam("blob_ids", expanding=True)))
_IN_WRITING = select(uploads.c.writing).where(uploads.c.writing.in_(bindparam("blob_ids", expanding=True)))
_PAGE = _SELECT.order_by(_c.upload_id, _c.number).limit(bindparam("n"))
_PAGE_AFTER = _PAGE.where(tuple_(_c.upload_id, _c.number) > tuple_(bindparam("the_id"), bindparam("the_number")))


class SqlUploadParts:
    """``ports.uploads.UploadParts`` on a connection."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def add(self, part: UploadPart) -> None:
        self._connection.execute(_ADD, values_of(part))

    def of(self, upload_id: UploadId) -> Sequence[UploadPart]:
        return self._all(_OF, the_id=upload_id)

    def delete(self, upload_id: UploadId) -> Sequence[UploadPart]:
        parts = {part.blob_id: part for part in self.of(upload_id)}
        self._connection.execute(_DELETE, {"the_id": upload_id})
        named = self._among(_IN_PARTS, parts)
        return [part for part in parts.values() if part.blob_id not in named]

    def owns(self, owner_id: str) -> bool:
        return self._connection.execute(_OWNS, {"the_owner_id": owner_id}).one_or_none() is not None

    def named(self, blob_ids: Collection[BlobId]) -> frozenset[BlobId]:
        return self._among(_IN_PARTS, blob_ids) | self._among(_IN_WRITING, blob_ids)

    def page(self, *, after: tuple[UploadId, int] | None, limit: int) -> Sequence[UploadPart]:
        if after is None:
            return self._all(_PAGE, n=limit)
        return self._all(_PAGE_AFTER, n=limit, the_id=after[0], the_number=after[1])

    def _among(self, statement: Any, blob_ids: Collection[BlobId]) -> frozenset[BlobId]:
        wanted, found = iter(blob_ids), set[BlobId]()
        while batch := list(islice(wanted, _BATCH)):
            found.update(self._connection.execute(statement, {"blob_ids": batch}).scalars())
        return frozenset(found)

    def _all(self, statement: Any, **values: Any) -> list[UploadPart]:
        return [UploadPart(*row) for row in self._connection.execute(statement, values)]
