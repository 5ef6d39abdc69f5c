"""The table of retention policies: the one in force, the one proposed, and those before (S-69)."""

from __future__ import annotations

from sqlalchemy import CheckConstraint, Column, Table, Text

from domain.disposal import PolicyState
from storage.records.schema.core import partial
from storage.records.schema.metadata import METADATA
from storage.records.schema.types import Id, Instant, Word

retention_policies = Table(
    "retention_policies",
    METADATA,
    Column("id", Id, primary_key=True),
    Column("document", Text, nullable=False),
    Column("fingerprint", Text, nullable=False),
    Column("state", Word(PolicyState), nullable=False),
    # No foreign keys, as everywhere: who did something outlives every principal.
    Column("proposed_by", Id),
    Column("proposed_at", Instant, nullable=False),
    Column("confirmed_by", Id),
    Column("confirmed_at", Instant),
    # The second lock on the door: retention/policies.py does not get here.
    CheckConstraint("confirmed_by IS NULL OR confirmed_by <> proposed_by", name="two_people"),
)
partial(
    "uq_retention_policies_one",
    retention_policies.c.state,
    where="state IN ('effective', 'proposed')",
    unique=True,
)
