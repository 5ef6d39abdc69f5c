"""Sealing, keys, tokens and signatures. Sees bytes and contexts; knows no database, no store and no user.

Plain synchronous code. Engines of the key ring (``crypto.key_file``) are imported by whoever wires the service.
"""

from crypto.context import Context
from crypto.data_key import DataKey
from crypto.format import (
    MAX_PLAINTEXT,
    MAX_SEGMENT_SIZE,
    MIN_SEGMENT_SIZE,
    SEGMENT_SIZE,
    STREAM_FORMAT,
    Layout,
    plaintext_size,
    sealed_size,
)
from crypto.ids import new_blob_id, new_id
from crypto.key_documents import KeyDocuments
from crypto.key_ring import ACTIVE_FOR, WRAP_LIMIT, Generation, GenerationState, KeyRing, WrappedKey
from crypto.key_string import StreamKey, parse_key_string
from crypto.master_key import MasterKey, MasterRefused
from crypto.opened_keys import OpenedKeys, Portable
from crypto.passcode import hash_passcode, verify_passcode
from crypto.sealer import RunningDigest, SealedStream, Sealer
from crypto.secret import Secret, keyed_digest, open_with_secret, seal_with_secret
from crypto.selftest import selftest
from crypto.signing import Signer, open_note, verify_signature
from crypto.tokens import TokenPurpose, is_token, new_token, same, token_digest
from crypto.unseal_stream import unseal_stream
from crypto.unsealer import Unsealer

__all__ = [
    "ACTIVE_FOR",
    "MAX_PLAINTEXT",
    "MAX_SEGMENT_SIZE",
    "MIN_SEGMENT_SIZE",
    "SEGMENT_SIZE",
    "STREAM_FORMAT",
    "WRAP_LIMIT",
    "Context",
    "DataKey",
    "Generation",
    "GenerationState",
    "KeyDocuments",
    "KeyRing",
    "Layout",
    "MasterKey",
    "MasterRefused",
    "OpenedKeys",
    "Portable",
    "RunningDigest",
    "SealedStream",
    "Sealer",
    "Secret",
    "Signer",
    "StreamKey",
    "TokenPurpose",
    "Unsealer",
    "WrappedKey",
    "hash_passcode",
    "is_token",
    "keyed_digest",
    "new_blob_id",
    "new_id",
    "new_token",
    "open_note",
    "open_with_secret",
    "parse_key_string",
    "plaintext_size",
    "same",
    "seal_with_secret",
    "sealed_size",
    "selftest",
    "token_digest",
    "unseal_stream",
    "verify_passcode",
    "verify_signature",
]
