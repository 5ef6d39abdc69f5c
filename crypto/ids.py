"""Names of things. They tell their time or are merely random: a name is never a secret (S-50)."""

from __future__ import annotations

import secrets

import uuid_utils

from domain.ids import BlobId


def new_id() -> str:
    """A new id as text: UUIDv7 (RFC 9562), so ids made later sort later."""
    return str(uuid_utils.uuid7())


def new_blob_id() -> BlobId:
    """A new blob's name: 128 random bits as 32 hex digits (S-11)."""
    return BlobId(secrets.token_hex(16))
