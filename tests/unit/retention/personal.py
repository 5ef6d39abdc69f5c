"""What of each column may say something of a person: a column that is not declared here fails the test beside it."""

from __future__ import annotations

from collections.abc import Mapping
from enum import Enum


class Says(Enum):
    """What a column may hold of whoever sent, asked or received."""

    NOTHING = "ids, numbers, instants, states, words of ours"
    PERSON = "personal: empty, or its row gone, once the ticket is erased"
    SEALED = "personal, under a key of the ticket or of a file of it: unreadable once the ticket is erased"
    PASSING = "may be personal; not known by ticket, goes by itself within a day"
    STAFF = "of those who work here: not erased with a ticket"
    ORGANISATION = "of an organisation: not erased with a ticket"


def _of(nothing: str = "", **others: str) -> dict[str, Says]:
    said = {name: Says[kind.upper()] for kind, names in others.items() for name in names.split()}
    return said | dict.fromkeys(nothing.split(), Says.NOTHING)


COLUMNS: Mapping[str, Mapping[str, Says]] = {
    "answers": _of("key_digest expires_at node", passing="fingerprint sealed"),
    "attachments": _of(
        "id ticket_id link_id receipt_id blob_id declared_size reserved_bytes size sealed_size segment_size"
        " stream_format state scan scanned_by source created_at available_at download_count purge_reason purged_at"
        " certificate_id version node",
        # a small or guessable content is told by its digest
        person="name_sealed sha256 sealed_sha256 commitment media_type",
    ),
    "certificates": _of("id attachment_id document signature issued_at"),
    "codes": _of("expires_at tries sent_at link_id", person="digest"),
    "connectors": _of(
        "name kind cursor polled_at organisations_cursor organisations_at next_at failures trouble report reported_at"
        " journal_index secret_number created_at"
    ),
    "credentials": _of("digest kind principal_id created_at expires_at idle_at"),
    "deliveries": _of("connector digest received_at"),
    "generation_uses": _of("generation uses"),
    "grants": _of("id digest link_id attachment_id created_at expires_at ended_at budget spent"),
    "hints": _of("connector source_id received_at attempts next_at"),
    "holds": _of(
        "id ticket_id organisation_id review_on placed_by placed_at released_at released_by",
        sealed="reason_sealed release_reason_sealed",
    ),
    # Entries hold ids, counts, codes and commitments under keys that are destroyed (S-91).
    "journal_checkpoints": _of("size root note frontier at exported_at"),
    "journal_entries": _of("position body leaf at kind subject principal_id"),
    "leases": _of("name owner fence until"),
    "links": _of(
        "id digest kind ticket_id attachment_id expires_at max_files max_bytes max_downloads allowed_types created_at"
        " created_by revoked_at used",
        person="passcode_hash recipient_sealed recipient_digest note_sealed language",
    ),
    "mail_deliveries": _of("ticket_id part attachment_id state kept_at relayed_at", person="digest"),
    "organisations": _of("id ref contract_ends_on facts_at created_at", organisation="name"),
    "outbox": _of("id attempts next_at expires_at ticket_id", person="sealed"),
    "passcode_failures": _of("id link_id at", person="address_digest"),
    "principals": _of("id role organisation_id created_at disabled_at", staff="name_sealed"),
    "quotas": _of("owner_id max_files max_bytes used_files used_bytes reserved_files reserved_bytes"),
    "receipts": _of("id digest ticket_id link_id created_at"),
    "retention_policies": _of(
        "id document fingerprint state proposed_by proposed_at confirmed_by confirmed_at",
    ),
    "site": _of("name value"),
    "source_files": _of(
        "connector source_id source_ticket_id ticket_id part attachment_id state reason attempts next_at created_at"
        " updated_at"
    ),
    "source_notes": _of(
        "ticket_id marker connector public note_id attempts next_at created_at written_at", sealed="sealed"
    ),
    "tickets": _of(
        "id ref organisation_id status opened_at last_activity_at closed_at channel facts_at retention_class"
        " retention_rule purge_due_at created_at erased_at version connector source_id source_version standing"
        " standing_since merged_source_id merged_into",
        person="subject_sealed requester_email_sealed requester_email_digest requester_name_sealed tags",
    ),
    "upload_parts": _of("upload_id number blob_id owner_id start size sealed_size", passing="sealed_sha256 commitment"),
    "uploads": _of(
        "id digest attachment_id ticket_id link_id receipt_id kind state length offset created_at expires_at fence"
        " holder wanted writing failure repr_algorithm",
        passing="metadata_sealed repr_digest",
    ),
    "wrapped_keys": _of("owner_id purpose generation", person="sealed"),
}
