"""Principals and credentials in SQL. Whether a credential is in force, the statement that reads it judges (S-63)."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any, TypeAlias

from sqlalchemy import Connection, Row, and_, bindparam, delete, insert, or_, select, update

from domain.ids import PrincipalId
from storage.records.ports.access import Credential, CredentialKind, Principal
from storage.records.schema.access import credentials, principals
from storage.records.sql.rows import columns_of, values_of

_ADD_PRINCIPAL = insert(principals)
_principals = select(*columns_of(principals, Principal))
_PAGE = _principals.where(principals.c.id > bindparam("after")).order_by(principals.c.id).limit(bindparam("how_many"))
_BY_ID = _principals.where(principals.c.id == bindparam("the_principal"))
_DISABLE = (
    update(principals)
    .where(principals.c.id == bindparam("the_principal"), principals.c.disabled_at.is_(None))
    .values(disabled_at=bindparam("now"))
)
_RENAME = (
    update(principals).where(principals.c.id == bindparam("the_principal")).values(name_sealed=bindparam("new_name"))
)

_ADD_CREDENTIAL = insert(credentials)
_CredentialRow: TypeAlias = Row[Any, Any, Any, Any, Any, Any]
_columns = (
    credentials.c.kind,
    credentials.c.principal_id,
    credentials.c.created_at,
    credentials.c.expires_at,
    credentials.c.idle_at,
    credentials.c.digest,
)
_in_force = and_(
    credentials.c.digest == bindparam("the_digest"),
    or_(credentials.c.expires_at.is_(None), credentials.c.expires_at > bindparam("now")),
    or_(credentials.c.idle_at.is_(None), credentials.c.idle_at > bindparam("now")),
    credentials.c.principal_id.in_(select(principals.c.id).where(principals.c.disabled_at.is_(None))),
)
_CREDENTIAL = select(*_columns).where(_in_force)
_CONSUME = delete(credentials).where(_in_force).returning(*_columns)
_TOUCH = (
    update(credentials)
    .where(credentials.c.digest == bindparam("the_digest"), credentials.c.idle_at < bindparam("new_idle_at"))
    .values(idle_at=bindparam("new_idle_at"))
)
_END = delete(credentials).where(credentials.c.digest == bindparam("the_digest"))
_END_OF_PRINCIPAL = delete(credentials).where(credentials.c.principal_id == bindparam("the_principal"))
_END_DEAD = delete(credentials).where(
    or_(credentials.c.expires_at <= bindparam("now"), credentials.c.idle_at <= bindparam("now"))
)


class SqlAccess:
    """``ports.access.Access``."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def add_principal(self, principal: Principal) -> None:
        self._connection.execute(_ADD_PRINCIPAL, values_of(principal))

    def principals(self, *, after: PrincipalId | None, limit: int) -> Sequence[Principal]:
        rows = self._connection.execute(_PAGE, {"after": after or "", "how_many": limit})
        return [Principal(*row) for row in rows]

    def disable(self, principal_id: PrincipalId, *, at: datetime) -> bool:
        disabled = self._connection.execute(_DISABLE, {"the_principal": principal_id, "now": at}).rowcount == 1
        if disabled:
            self._connection.execute(_END_OF_PRINCIPAL, {"the_principal": principal_id})
        return disabled

    def add_credential(self, credential: Credential) -> None:
        # Sessions end by themselves, unseen: whoever comes in carries out the dead, so that they never pile up.
        self._connection.execute(_END_DEAD, {"now": credential.created_at})
        values = values_of(credential, without=("principal",))
        self._connection.execute(_ADD_CREDENTIAL, {**values, "principal_id": credential.principal.id})

    def credential(self, digest: bytes, *, now: datetime) -> Credential | None:
        row = self._connection.execute(_CREDENTIAL, {"the_digest": digest, "now": now}).one_or_none()
        return None if row is None else self._credential(row)

    def consume(self, digest: bytes, *, now: datetime) -> Credential | None:
        row = self._connection.execute(_CONSUME, {"the_digest": digest, "now": now}).one_or_none()
        return None if row is None else self._credential(row)

    def touch(self, digest: bytes, *, idle_at: datetime) -> None:
        self._connection.execute(_TOUCH, {"the_digest": digest, "new_idle_at": idle_at})

    def end(self, digest: bytes) -> bool:
        return self._connection.execute(_END, {"the_digest": digest}).rowcount == 1

    def _credential(self, row: _CredentialRow) -> Credential:
        principal = self._connection.execute(_BY_ID, {"the_principal": row.principal_id}).one()
        return Credential(
            kind=CredentialKind(row.kind),
            principal=Principal(*principal),
            created_at=row.created_at,
            expires_at=row.expires_at,
            idle_at=row.idle_at,
            digest=row.digest,
        )


class SqlNames:
    """``ports.access.Names``."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def put(self, principal_id: PrincipalId, name_sealed: bytes) -> None:
        self._connection.execute(_RENAME, {"the_principal": principal_id, "new_name": name_sealed})
