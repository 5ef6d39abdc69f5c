"""The first schema, written out and never changed again: types are the database's own here, not ``schema``'s."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from storage.records.migrations import first_journal as journal

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

_ID = sa.String(36)
_INSTANT = sa.BigInteger()
_DAY = sa.String(10)
_WORD = sa.String(32)
_DIGEST = sa.LargeBinary(32)
_NUMBER = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    _tickets()
    _attachments()
    _disposals()
    _links()
    _access()
    _keys()
    journal.create()
    _jobs()


def downgrade() -> None:
    """Migrations go forward only; the way back is the backup."""
    raise RuntimeError("migrations go forward only")


def _partial(name: str, table: str, columns: list[str], *, where: str, unique: bool) -> None:
    op.create_index(name, table, columns, unique=unique, sqlite_where=sa.text(where), postgresql_where=sa.text(where))


def _tickets() -> None:
    op.create_table(
        "organisations",
        sa.Column("id", _ID, nullable=False),
        sa.Column("ref", sa.Text(), nullable=False),
        sa.Column("name", sa.Text()),
        sa.Column("contract_ends_on", _DAY),
        sa.Column("facts_at", _INSTANT, nullable=False),
        sa.Column("created_at", _INSTANT, nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_organisations")),
        sa.UniqueConstraint("ref", name=op.f("uq_organisations_ref")),
    )
    op.create_table(
        "tickets",
        sa.Column("id", _ID, nullable=False),
        sa.Column("ref", sa.Text(), nullable=False),
        sa.Column("organisation_id", _ID),
        sa.Column("status", _WORD, nullable=False),
        sa.Column("subject_sealed", sa.LargeBinary()),
        sa.Column("requester_email_sealed", sa.LargeBinary()),
        sa.Column("requester_email_digest", sa.LargeBinary()),
        sa.Column("requester_name_sealed", sa.LargeBinary()),
        sa.Column("opened_at", _INSTANT),
        sa.Column("last_activity_at", _INSTANT, nullable=False),
        sa.Column("closed_at", _INSTANT),
        sa.Column("channel", sa.Text()),
        sa.Column("facts_at", _INSTANT, nullable=False),
        sa.Column("retention_class", sa.Text(), nullable=False),
        sa.Column("retention_rule", sa.Text(), nullable=False),
        sa.Column("purge_due_at", _INSTANT),
        sa.Column("created_at", _INSTANT, nullable=False),
        sa.Column("erased_at", _INSTANT),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(["organisation_id"], ["organisations.id"], name=op.f("fk_tickets_organisation_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_tickets")),
        sa.UniqueConstraint("ref", name=op.f("uq_tickets_ref")),
    )
    _partial("ix_tickets_due", "tickets", ["purge_due_at", "id"], where="erased_at IS NULL", unique=False)
    op.create_index("ix_tickets_organisation_id_id", "tickets", ["organisation_id", "id"])
    op.create_index("ix_tickets_requester_email_digest_id", "tickets", ["requester_email_digest", "id"])


def _attachments() -> None:
    op.create_table(
        "attachments",
        sa.Column("id", _ID, nullable=False),
        sa.Column("ticket_id", _ID, nullable=False),
        sa.Column("link_id", _ID),
        sa.Column("receipt_id", _ID),
        sa.Column("blob_id", sa.String(length=64), nullable=False),
        sa.Column("name_sealed", sa.LargeBinary()),
        sa.Column("declared_size", sa.BigInteger()),
        sa.Column("reserved_bytes", sa.BigInteger(), nullable=False),
        sa.Column("size", sa.BigInteger()),
        sa.Column("sealed_size", sa.BigInteger()),
        sa.Column("sha256", sa.LargeBinary()),
        sa.Column("sealed_sha256", sa.LargeBinary()),
        sa.Column("commitment", sa.LargeBinary()),
        sa.Column("segment_size", sa.Integer(), nullable=False),
        sa.Column("stream_format", sa.Integer(), nullable=False),
        sa.Column("media_type", sa.Text()),
        sa.Column("state", _WORD, nullable=False),
        sa.Column("scan", _WORD, nullable=False),
        sa.Column("scanned_by", sa.Text()),
        sa.Column("source", _WORD, nullable=False),
        sa.Column("created_at", _INSTANT, nullable=False),
        sa.Column("available_at", _INSTANT),
        sa.Column("download_count", sa.Integer(), nullable=False),
        sa.Column("purge_reason", sa.Text()),
        sa.Column("purged_at", _INSTANT),
        sa.Column("certificate_id", _ID),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(["ticket_id"], ["tickets.id"], name=op.f("fk_attachments_ticket_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_attachments")),
        sa.UniqueConstraint("blob_id", name=op.f("uq_attachments_blob_id")),
    )
    _partial(
        "ix_attachments_receipt", "attachments", ["receipt_id", "id"], where="receipt_id IS NOT NULL", unique=False
    )
    op.create_index("ix_attachments_state_id", "attachments", ["state", "id"])
    op.create_index("ix_attachments_ticket_id_id_state", "attachments", ["ticket_id", "id", "state"])
    op.create_table(
        "quotas",
        sa.Column("owner_id", _ID, nullable=False),
        sa.Column("max_files", sa.BigInteger()),
        sa.Column("max_bytes", sa.BigInteger()),
        sa.Column("used_files", sa.BigInteger(), nullable=False),
        sa.Column("used_bytes", sa.BigInteger(), nullable=False),
        sa.Column("reserved_files", sa.BigInteger(), nullable=False),
        sa.Column("reserved_bytes", sa.BigInteger(), nullable=False),
        sa.CheckConstraint(
            "used_files >= 0 AND used_bytes >= 0 AND reserved_files >= 0 AND reserved_bytes >= 0",
            name=op.f("ck_quotas_never_negative"),
        ),
        sa.PrimaryKeyConstraint("owner_id", name=op.f("pk_quotas")),
    )


def _disposals() -> None:
    op.create_table(
        "holds",
        sa.Column("id", _ID, nullable=False),
        sa.Column("ticket_id", _ID),
        sa.Column("organisation_id", _ID),
        sa.Column("reason_sealed", sa.LargeBinary(), nullable=False),
        sa.Column("review_on", _DAY),
        sa.Column("placed_by", _ID),
        sa.Column("placed_at", _INSTANT, nullable=False),
        sa.Column("released_at", _INSTANT),
        sa.Column("released_by", _ID),
        sa.Column("release_reason_sealed", sa.LargeBinary()),
        sa.CheckConstraint("(ticket_id IS NULL) <> (organisation_id IS NULL)", name=op.f("ck_holds_one_owner")),
        sa.ForeignKeyConstraint(["organisation_id"], ["organisations.id"], name=op.f("fk_holds_organisation_id")),
        sa.ForeignKeyConstraint(["ticket_id"], ["tickets.id"], name=op.f("fk_holds_ticket_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_holds")),
    )
    _partial("uq_holds_organisation_in_force", "holds", ["organisation_id"], where="released_at IS NULL", unique=True)
    _partial("uq_holds_ticket_in_force", "holds", ["ticket_id"], where="released_at IS NULL", unique=True)
    op.create_table(
        "certificates",
        sa.Column("id", _ID, nullable=False),
        sa.Column("attachment_id", _ID, nullable=False),
        sa.Column("document", sa.LargeBinary(), nullable=False),
        sa.Column("signature", sa.LargeBinary(), nullable=False),
        sa.Column("issued_at", _INSTANT, nullable=False),
        sa.ForeignKeyConstraint(["attachment_id"], ["attachments.id"], name=op.f("fk_certificates_attachment_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_certificates")),
        sa.UniqueConstraint("attachment_id", name=op.f("uq_certificates_attachment_id")),
    )


def _links() -> None:
    op.create_table(
        "links",
        sa.Column("id", _ID, nullable=False),
        sa.Column("digest", _DIGEST, nullable=False),
        sa.Column("kind", _WORD, nullable=False),
        sa.Column("ticket_id", _ID, nullable=False),
        sa.Column("attachment_id", _ID),
        sa.Column("expires_at", _INSTANT, nullable=False),
        sa.Column("max_files", sa.Integer()),
        sa.Column("max_bytes", sa.BigInteger()),
        sa.Column("max_downloads", sa.Integer()),
        sa.Column("allowed_types", sa.Text(), nullable=False),
        sa.Column("passcode_hash", sa.String(length=255)),
        sa.Column("recipient_sealed", sa.LargeBinary()),
        sa.Column("note_sealed", sa.LargeBinary()),
        sa.Column("language", sa.String(length=35)),
        sa.Column("created_at", _INSTANT, nullable=False),
        sa.Column("created_by", _ID),
        sa.Column("revoked_at", _INSTANT),
        sa.Column("used", sa.Integer(), nullable=False),
        sa.CheckConstraint("(kind = 'download') = (attachment_id IS NOT NULL)", name=op.f("ck_links_kind")),
        sa.CheckConstraint("length(digest) = 32", name=op.f("ck_links_digest")),
        sa.CheckConstraint(
            "used >= 0 AND (max_downloads IS NULL OR used <= max_downloads)", name=op.f("ck_links_used")
        ),
        sa.ForeignKeyConstraint(["attachment_id"], ["attachments.id"], name=op.f("fk_links_attachment_id")),
        sa.ForeignKeyConstraint(["ticket_id"], ["tickets.id"], name=op.f("fk_links_ticket_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_links")),
        sa.UniqueConstraint("digest", name=op.f("uq_links_digest")),
    )
    op.create_index("ix_links_attachment_id", "links", ["attachment_id"])
    op.create_index("ix_links_ticket_id_id", "links", ["ticket_id", "id"])
    op.create_table(
        "grants",
        sa.Column("id", _ID, nullable=False),
        sa.Column("digest", _DIGEST, nullable=False),
        sa.Column("link_id", _ID, nullable=False),
        sa.Column("attachment_id", _ID, nullable=False),
        sa.Column("created_at", _INSTANT, nullable=False),
        sa.Column("expires_at", _INSTANT, nullable=False),
        sa.Column("ended_at", _INSTANT),
        sa.Column("budget", sa.BigInteger(), nullable=False),
        sa.Column("spent", sa.BigInteger(), nullable=False),
        sa.CheckConstraint("length(digest) = 32", name=op.f("ck_grants_digest")),
        sa.CheckConstraint("spent BETWEEN 0 AND budget", name=op.f("ck_grants_spent")),
        sa.ForeignKeyConstraint(["attachment_id"], ["attachments.id"], name=op.f("fk_grants_attachment_id")),
        sa.ForeignKeyConstraint(["link_id"], ["links.id"], name=op.f("fk_grants_link_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_grants")),
        sa.UniqueConstraint("digest", name=op.f("uq_grants_digest")),
    )
    op.create_index("ix_grants_attachment_id", "grants", ["attachment_id"])
    op.create_index("ix_grants_expires_at", "grants", ["expires_at"])
    op.create_index("ix_grants_link_id", "grants", ["link_id"])
    op.create_table(
        "receipts",
        sa.Column("id", _ID, nullable=False),
        sa.Column("digest", _DIGEST, nullable=False),
        sa.Column("ticket_id", _ID, nullable=False),
        sa.Column("link_id", _ID),
        sa.Column("created_at", _INSTANT, nullable=False),
        sa.CheckConstraint("length(digest) = 32", name=op.f("ck_receipts_digest")),
        sa.ForeignKeyConstraint(["link_id"], ["links.id"], name=op.f("fk_receipts_link_id")),
        sa.ForeignKeyConstraint(["ticket_id"], ["tickets.id"], name=op.f("fk_receipts_ticket_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_receipts")),
        sa.UniqueConstraint("digest", name=op.f("uq_receipts_digest")),
    )
    op.create_index("ix_receipts_ticket_id", "receipts", ["ticket_id"])
    op.create_table(
        "codes",
        sa.Column("link_id", _ID, nullable=False),
        sa.Column("digest", _DIGEST, nullable=False),
        sa.Column("expires_at", _INSTANT, nullable=False),
        sa.Column("tries", sa.Integer(), nullable=False),
        sa.Column("sent_at", _INSTANT, nullable=False),
        sa.CheckConstraint("length(digest) = 32", name=op.f("ck_codes_digest")),
        sa.CheckConstraint("tries >= 0", name=op.f("ck_codes_tries")),
        sa.ForeignKeyConstraint(["link_id"], ["links.id"], name=op.f("fk_codes_link_id")),
        sa.PrimaryKeyConstraint("link_id", name=op.f("pk_codes")),
    )
    op.create_table(
        "passcode_failures",
        sa.Column("id", _NUMBER, autoincrement=True, nullable=False),
        sa.Column("link_id", _ID, nullable=False),
        sa.Column("address_digest", _DIGEST, nullable=False),
        sa.Column("at", _INSTANT, nullable=False),
        sa.ForeignKeyConstraint(["link_id"], ["links.id"], name=op.f("fk_passcode_failures_link_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_passcode_failures")),
    )
    op.create_index("ix_passcode_failures_address_digest_at", "passcode_failures", ["address_digest", "at"])
    op.create_index("ix_passcode_failures_at", "passcode_failures", ["at"])
    op.create_index("ix_passcode_failures_link_id_at", "passcode_failures", ["link_id", "at"])


def _access() -> None:
    op.create_table(
        "principals",
        sa.Column("id", _ID, nullable=False),
        sa.Column("role", _WORD, nullable=False),
        sa.Column("organisation_id", _ID),
        sa.Column("name_sealed", sa.LargeBinary(), nullable=False),
        sa.Column("created_at", _INSTANT, nullable=False),
        sa.Column("disabled_at", _INSTANT),
        sa.CheckConstraint("role <> 'contact' OR organisation_id IS NOT NULL", name=op.f("ck_principals_contact")),
        sa.ForeignKeyConstraint(["organisation_id"], ["organisations.id"], name=op.f("fk_principals_organisation_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_principals")),
    )
    op.create_table(
        "credentials",
        sa.Column("digest", _DIGEST, nullable=False),
        sa.Column("kind", _WORD, nullable=False),
        sa.Column("principal_id", _ID, nullable=False),
        sa.Column("created_at", _INSTANT, nullable=False),
        sa.Column("expires_at", _INSTANT),
        sa.Column("idle_at", _INSTANT),
        sa.CheckConstraint("length(digest) = 32", name=op.f("ck_credentials_digest")),
        sa.ForeignKeyConstraint(["principal_id"], ["principals.id"], name=op.f("fk_credentials_principal_id")),
        sa.PrimaryKeyConstraint("digest", name=op.f("pk_credentials")),
    )
    op.create_index("ix_credentials_expires_at", "credentials", ["expires_at"])
    op.create_index("ix_credentials_idle_at", "credentials", ["idle_at"])
    op.create_index("ix_credentials_principal_id", "credentials", ["principal_id"])


def _keys() -> None:
    op.create_table(
        "wrapped_keys",
        sa.Column("owner_id", _ID, nullable=False),
        sa.Column("purpose", sa.String(length=32), nullable=False),
        sa.Column("generation", sa.Integer(), nullable=False),
        sa.Column("sealed", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("owner_id", "purpose", name=op.f("pk_wrapped_keys")),
    )
    op.create_index("ix_wrapped_keys_generation", "wrapped_keys", ["generation"])
    op.create_table(
        "generation_uses",
        sa.Column("generation", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("uses", sa.BigInteger(), nullable=False),
        sa.CheckConstraint("uses > 0", name=op.f("ck_generation_uses_uses")),
        sa.PrimaryKeyConstraint("generation", name=op.f("pk_generation_uses")),
    )


def _jobs() -> None:
    op.create_table(
        "leases",
        sa.Column("name", sa.String(length=64), nullable=False),
        sa.Column("owner", sa.String(length=128), nullable=False),
        sa.Column("fence", sa.BigInteger(), nullable=False),
        sa.Column("until", _INSTANT, nullable=False),
        sa.CheckConstraint("fence > 0", name=op.f("ck_leases_fence")),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_leases")),
    )
    op.create_table(
        "outbox",
        sa.Column("id", _ID, nullable=False),
        sa.Column("sealed", sa.LargeBinary(), nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("next_at", _INSTANT, nullable=False),
        sa.Column("expires_at", _INSTANT, nullable=False),
        sa.CheckConstraint("attempts >= 0", name=op.f("ck_outbox_attempts")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_outbox")),
    )
    op.create_index("ix_outbox_expires_at", "outbox", ["expires_at"])
    op.create_index("ix_outbox_next_at_id", "outbox", ["next_at", "id"])
    op.create_table(
        "answers",
        sa.Column("key_digest", _DIGEST, nullable=False),
        sa.Column("fingerprint", sa.LargeBinary()),
        sa.Column("sealed", sa.LargeBinary()),
        sa.Column("expires_at", _INSTANT, nullable=False),
        sa.CheckConstraint("(fingerprint IS NULL) = (sealed IS NULL)", name=op.f("ck_answers_whole")),
        sa.CheckConstraint("length(key_digest) = 32", name=op.f("ck_answers_key_digest")),
        sa.PrimaryKeyConstraint("key_digest", name=op.f("pk_answers")),
    )
    op.create_index("ix_answers_expires_at", "answers", ["expires_at"])
    op.create_table(
        "site",
        sa.Column("name", sa.String(length=64), nullable=False),
        sa.Column("value", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_site")),
    )
