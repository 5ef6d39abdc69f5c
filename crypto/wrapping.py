"""How a data key is wrapped by a key-encryption key that lies in our own memory."""

from __future__ import annotations

from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from crypto.context import Context, encode_fields
from crypto.data_key import DataKey
from crypto.hidden import KEY_SIZE
from crypto.key_ring import WrappedKey
from crypto.sealed_value import open_value, seal_value
from domain.errors import WrongContext

_WRAP = b"bilaga/wrap/v1\x00"


def wrap_key(kek: AESGCM, generation: int, key: DataKey, context: Context) -> WrappedKey:
    """The key sealed under ``kek``, bound to generation and context (S-33): 61 bytes."""
    return WrappedKey(generation, seal_value(kek, key.reveal(), _aad(generation, context)))


def unwrap_key(kek: AESGCM, wrapped: WrappedKey, context: Context) -> DataKey:
    """The key. Raises WrongContext."""
    raw = open_value(kek, wrapped.sealed, _aad(wrapped.generation, context))
    if len(raw) != KEY_SIZE:
        raise WrongContext
    return DataKey(raw)


def check_installation(context: Context, installation: str) -> None:
    """Raises WrongContext where a context belongs to another installation than the ring."""
    if context.installation != installation:
        raise WrongContext


def _aad(generation: int, context: Context) -> bytes:
    return _WRAP + encode_fields(generation.to_bytes(8, "big"), context.encode())
