"""Answers by idempotency key in SQL: claimed by one insert, whoever comes second sees what is there (S-4)."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime

from sqlalchemy import Connection, bindparam, delete, null, or_, select, update

from domain.errors import StateConflict
from storage.records.ports.jobs import Answer
from storage.records.schema.jobs import answers
from storage.records.sql.rows import columns_of
from storage.records.sql.upsert import Upsert

# An expired answer is as good as none: the claim takes its place.
_BEGIN = Upsert(
    answers,
    lambda insert: insert.on_conflict_do_update(
        index_elements=[answers.c.key_digest],
        set_={
            "fingerprint": null(),
            "sealed": null(),
            "expires_at": insert.excluded.expires_at,
            "node": insert.excluded.node,
        },
        where=answers.c.expires_at <= bindparam("now"),
    ).returning(answers.c.key_digest),
)
_GET = select(*columns_of(answers, Answer)).where(answers.c.key_digest == bindparam("the_key"))
_running = (
    answers.c.key_digest == bindparam("the_key"),
    answers.c.sealed.is_(None),
    answers.c.node == bindparam("the_node"),
)
_COMPLETE = (
    update(answers).where(*_running).values(fingerprint=bindparam("new_fingerprint"), sealed=bindparam("new_sealed"))
)
_FORGET = delete(answers).where(*_running)
_FREE = delete(answers).where(
    answers.c.sealed.is_(None),
    or_(answers.c.node.is_(None), answers.c.node.not_in(bindparam("living", expanding=True))),
)
_SWEEP = delete(answers).where(answers.c.expires_at <= bindparam("now"))


class SqlAnswers:
    """``ports.jobs.Answers``."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def begin(self, key_digest: bytes, *, node: str, now: datetime, expires_at: datetime) -> Answer | None:
        values = {
            "key_digest": key_digest,
            "fingerprint": None,
            "sealed": None,
            "expires_at": expires_at,
            "node": node,
            "now": now,
        }
        while True:
            if _BEGIN.execute(self._connection, values).one_or_none() is not None:
                return None
            known = self._connection.execute(_GET, {"the_key": key_digest}).one_or_none()
            if known is not None:
                return Answer(*known)
            # Forgotten between the two statements, which only another connection's commit can do: claim again.

    def complete(self, key_digest: bytes, *, node: str, fingerprint: bytes, sealed: bytes) -> None:
        values = {"the_key": key_digest, "the_node": node, "new_fingerprint": fingerprint, "new_sealed": sealed}
        if self._connection.execute(_COMPLETE, values).rowcount != 1:
            raise StateConflict

    def forget(self, key_digest: bytes, *, node: str) -> None:
        self._connection.execute(_FORGET, {"the_key": key_digest, "the_node": node})

    def free(self, living: Collection[str]) -> int:
        return self._connection.execute(_FREE, {"living": sorted(living)}).rowcount

    def sweep(self, now: datetime) -> int:
        return self._connection.execute(_SWEEP, {"now": now}).rowcount
