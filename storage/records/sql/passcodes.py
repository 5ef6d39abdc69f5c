"""Wrong passcodes in SQL (S-92)."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import Connection, bindparam, delete, func, insert, select

from domain.ids import LinkId
from storage.records.schema.links import passcode_failures

_ADD = insert(passcode_failures)
_count = select(func.count()).select_from(passcode_failures).where(passcode_failures.c.at >= bindparam("since"))
_COUNT_OF_LINK = _count.where(passcode_failures.c.link_id == bindparam("the_link"))
_COUNT_OF_ADDRESS = _count.where(passcode_failures.c.address_digest == bindparam("the_address"))
_COUNT_OF_BOTH = _COUNT_OF_LINK.where(passcode_failures.c.address_digest == bindparam("the_address"))
_SWEEP = delete(passcode_failures).where(passcode_failures.c.at < bindparam("before"))


class SqlPasscodeFailures:
    """``ports.links.PasscodeFailures``."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def add(self, link_id: LinkId, address_digest: bytes, *, at: datetime) -> None:
        self._connection.execute(_ADD, {"link_id": link_id, "address_digest": address_digest, "at": at})

    def count(self, *, link_id: LinkId | None = None, address_digest: bytes | None = None, since: datetime) -> int:
        if link_id is None and address_digest is None:
            raise ValueError("of a link, of an address, or of both")
        values: dict[str, Any] = {"since": since}
        statement = _COUNT_OF_BOTH
        if link_id is not None:
            values["the_link"] = link_id
        else:
            statement = _COUNT_OF_ADDRESS
        if address_digest is not None:
            values["the_address"] = address_digest
        else:
            statement = _COUNT_OF_LINK
        count: int = self._connection.execute(statement, values).scalar_one()
        return count

    def sweep(self, *, before: datetime) -> int:
        return self._connection.execute(_SWEEP, {"before": before}).rowcount
