"""Tables of wrapped data keys, and of how often each generation has wrapped one (S-35).

Destroying a key is deleting its row: SQLite overwrites it (``secure_delete``), elsewhere copies end with the horizon.
"""

from __future__ import annotations

from sqlalchemy import BigInteger, CheckConstraint, Column, Index, Integer, LargeBinary, String, Table

from storage.records.schema.metadata import METADATA
from storage.records.schema.types import Id

wrapped_keys = Table(
    "wrapped_keys",
    METADATA,
    # An attachment, a ticket or an organisation: three tables, so no foreign key; fsck compares.
    Column("owner_id", Id, primary_key=True),
    Column("purpose", String(32), primary_key=True),
    Column("generation", Integer, nullable=False),
    Column("sealed", LargeBinary, nullable=False),
)
Index(None, wrapped_keys.c.generation)

generation_uses = Table(
    "generation_uses",
    METADATA,
    Column("generation", Integer, primary_key=True, autoincrement=False),
    Column("uses", BigInteger, nullable=False),
    CheckConstraint("uses > 0", name="uses"),
)
