"""Retention policies in SQL."""

from __future__ import annotations

from sqlalchemy import Connection, bindparam, insert, select, update

from domain.disposal import KeptPolicy, PolicyState
from domain.ids import PolicyId
from storage.records.schema.policies import retention_policies as policies
from storage.records.sql.conflict import insert_new
from storage.records.sql.rows import columns_of, values_of

_SELECT = select(*columns_of(policies, KeptPolicy))
_BY_ID = _SELECT.where(policies.c.id == bindparam("the_id"))
_IN_STATE = _SELECT.where(policies.c.state == bindparam("the_state"))
_EFFECTIVE = select(policies.c.id).where(policies.c.state == PolicyState.EFFECTIVE)
_INSERT = insert(policies)
_UPDATE = update(policies).where(policies.c.id == bindparam("the_id"))


class SqlPolicies:
    """``ports.policies.Policies`` on a connection."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def put(self, policy: KeptPolicy) -> None:
        changed = {**values_of(policy, without=("id",)), "the_id": policy.id}
        if self._connection.execute(_UPDATE, changed).rowcount == 0:
            insert_new(self._connection, _INSERT, values_of(policy))

    def in_state(self, state: PolicyState) -> KeptPolicy | None:
        row = self._connection.execute(_IN_STATE, {"the_state": state}).one_or_none()
        return None if row is None else KeptPolicy(*row)

    def effective_id(self) -> PolicyId | None:
        found = self._connection.execute(_EFFECTIVE).scalar_one_or_none()
        return None if found is None else PolicyId(found)

    def get(self, policy_id: PolicyId) -> KeptPolicy | None:
        row = self._connection.execute(_BY_ID, {"the_id": policy_id}).one_or_none()
        return None if row is None else KeptPolicy(*row)
