"""Short values sealed whole: a file's name, a mail address, a mail that waits. Format 1, as docs/sealed-stream.md says.

``0x01 ‖ nonce (12 random) ‖ AES-256-GCM ciphertext ‖ tag (16)``. Random nonces bound a key's use to 2^32 values
(SP 800-38D); each label has its own key, derived from the data key or secret at hand.
"""

from __future__ import annotations

import secrets

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from domain.errors import WrongContext

VALUE_FORMAT = b"\x01"
NONCE_SIZE = 12
OVERHEAD = 1 + NONCE_SIZE + 16


def seal_value(key: AESGCM, value: bytes, aad: bytes) -> bytes:
    """The value sealed: 29 bytes longer, and different each time."""
    nonce = secrets.token_bytes(NONCE_SIZE)
    return VALUE_FORMAT + nonce + key.encrypt(nonce, value, aad)


def open_value(key: AESGCM, sealed: bytes, aad: bytes) -> bytes:
    """The value. Raises WrongContext where it was changed, or sealed with another key or other associated data."""
    if len(sealed) < OVERHEAD or sealed[:1] != VALUE_FORMAT:
        raise WrongContext
    try:
        return key.decrypt(sealed[1 : 1 + NONCE_SIZE], sealed[1 + NONCE_SIZE :], aad)
    except InvalidTag as failure:
        raise WrongContext from failure
