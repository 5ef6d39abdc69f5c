"""Tables of the service's own work: leases, mails to send, answers to repeat, and the site's marks."""

from __future__ import annotations

from sqlalchemy import BigInteger, CheckConstraint, Column, Index, Integer, LargeBinary, String, Table, Text

from storage.records.schema.core import partial
from storage.records.schema.metadata import METADATA
from storage.records.schema.types import Id, Instant

leases = Table(
    "leases",
    METADATA,
    # Never deleted, but for those of nodes, whose names nobody takes again: the fencing number must grow for ever.
    Column("name", String(64), primary_key=True),
    Column("owner", String(128), nullable=False),
    Column("fence", BigInteger, nullable=False),
    Column("until", Instant, nullable=False),
    CheckConstraint("fence > 0", name="fence"),
)

outbox = Table(
    "outbox",
    METADATA,
    Column("id", Id, primary_key=True),
    Column("sealed", LargeBinary, nullable=False),
    Column("attempts", Integer, nullable=False),
    Column("next_at", Instant, nullable=False),
    Column("expires_at", Instant, nullable=False),
    # No foreign key: what it is about, so that it goes with it.
    Column("ticket_id", Id),
    CheckConstraint("attempts >= 0", name="attempts"),
)
partial("ix_outbox_ticket_id", outbox.c.ticket_id, where="ticket_id IS NOT NULL")
Index(None, outbox.c.next_at, outbox.c.id)
Index(None, outbox.c.expires_at)

answers = Table(
    "answers",
    METADATA,
    Column("key_digest", LargeBinary(32), primary_key=True),
    Column("fingerprint", LargeBinary),
    Column("sealed", LargeBinary),
    Column("expires_at", Instant, nullable=False),
    Column("node", Id),
    CheckConstraint("length(key_digest) = 32", name="key_digest"),
    CheckConstraint("(fingerprint IS NULL) = (sealed IS NULL)", name="whole"),
)
Index(None, answers.c.expires_at)
# What the dead have left running is looked for every few seconds.
partial("ix_answers_running", answers.c.node, where="sealed IS NULL")

site = Table(
    "site",
    METADATA,
    Column("name", String(64), primary_key=True),
    Column("value", Text, nullable=False),
)
