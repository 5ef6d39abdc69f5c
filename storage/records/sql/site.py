"""The site's marks in SQL."""

from __future__ import annotations

from sqlalchemy import Connection, bindparam, select

from storage.records.schema.jobs import site
from storage.records.sql.upsert import Upsert

_GET = select(site.c.value).where(site.c.name == bindparam("the_name"))
_PUT = Upsert(
    site,
    lambda insert: insert.on_conflict_do_update(index_elements=[site.c.name], set_={"value": insert.excluded.value}),
)


class SqlSite:
    """``ports.jobs.Site``."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def get(self, name: str) -> str | None:
        return self._connection.execute(_GET, {"the_name": name}).scalar_one_or_none()

    def put(self, name: str, value: str) -> None:
        _PUT.execute(self._connection, {"name": name, "value": value})
