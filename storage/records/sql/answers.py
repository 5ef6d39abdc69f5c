"""Answers by idempotency key in SQL: claimed by one insert, whoever comes second sees what is there (S-4)."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import Connection, bindparam, delete, null, select, update

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
        set_={"fingerprint": null(), "sealed": null(), "expires_at": insert.excluded.expires_at},
        where=answers.c.expires_at <= bindparam("now"),
    ).returning(answers.c.key_digest),
)
_GET = select(*columns_of(answers, Answer)).where(answers.c.key_digest == bindparam("the_key"))
_COMPLETE = (
    update(answers)
    .where(answers.c.key_digest == bindparam("the_key"), answers.c.sealed.is_(None))
    .values(fingerprint=bindparam("new_fingerprint"), sealed=bindparam("new_sealed"))
)
_FORGET = delete(answers).where(answers.c.key_digest == bindparam("the_key"), answers.c.sealed.is_(None))
_FORGET_RUNNING = delete(answers).where(answers.c.sealed.is_(None))
_SWEEP = delete(answers).where(answers.c.expires_at <= bindparam("now"))


class SqlAnswers:
    """``ports.jobs.Answers``."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def begin(self, key_digest: bytes, *, now: datetime, expires_at: datetime) -> Answer | None:
        values = {"key_digest": key_digest, "fingerprint": None, "sealed": None, "expires_at": expires_at, "now": now}
        while True:
            if _BEGIN.execute(self._connection, values).one_or_none() is not None:
                return None
            known = self._connection.execute(_GET, {"the_key": key_digest}).one_or_none()
            if known is not None:
                return Answer(*known)
            # Forgotten between the two statements, which only another connection's commit can do: claim again.

    def complete(self, key_digest: bytes, *, fingerprint: bytes, sealed: bytes) -> None:
        """Raises StateConflict where the key is not claimed, or answered: the effect must then not be kept."""
        values = {"the_key": key_digest, "new_fingerprint": fingerprint, "new_sealed": sealed}
        if self._connection.execute(_COMPLETE, values).rowcount != 1:
            raise StateConflict

    def forget(self, key_digest: bytes) -> None:
        self._connection.execute(_FORGET, {"the_key": key_digest})

    def forget_running(self) -> int:
        return self._connection.execute(_FORGET_RUNNING).rowcount

    def sweep(self, now: datetime) -> int:
        return self._connection.execute(_SWEEP, {"now": now}).rowcount
