"""The key string: all that opens one sealed stream without us, as one printable line (S-22).

``bilaga-key-1.`` and base64url (RFC 4648, no padding) of: the data key (32 bytes), the segment size (uint32,
big-endian), the associated data, and a checksum (8 bytes) by which a slip of the pen is told from a damaged stream.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
from dataclasses import dataclass

from crypto.format import check_segment_size
from crypto.hidden import KEY_SIZE, Hidden
from domain.errors import BadInput

_PREFIX = "bilaga-key-1."
_CHECKSUM = b"bilaga/key-string/v1\x00"
_CHECKSUM_SIZE = 8
_MAX_LENGTH = 4096


@dataclass(frozen=True, slots=True)
class StreamKey:
    """What a key string says: a data key, a stream's associated data and its segment size in bytes."""

    key: Hidden
    aad: bytes
    segment_size: int

    def text(self) -> str:
        """The key string."""
        body = self.key.reveal() + check_segment_size(self.segment_size).to_bytes(4, "big") + self.aad
        return _PREFIX + _base64url(body + _checksum(body))


def parse_key_string(text: str) -> StreamKey:
    """What a key string says; space around it is ignored. Raises BadInput with what is wrong, never with the string."""
    text = text.strip()
    if not text.startswith(_PREFIX):
        raise BadInput(f"A key string begins with “{_PREFIX}”.", field="key")
    if len(text) > _MAX_LENGTH:
        raise BadInput("The key string is too long.", field="key")
    encoded = text.removeprefix(_PREFIX)
    try:
        raw = base64.b64decode(encoded + "=" * (-len(encoded) % 4), altchars=b"-_", validate=True)
    except (binascii.Error, ValueError):
        # Not chained: the text of the original error may hold a part of the key.
        raise BadInput("The key string is mistyped or cut short.", field="key") from None
    body, checksum = raw[:-_CHECKSUM_SIZE], raw[-_CHECKSUM_SIZE:]
    if len(body) < KEY_SIZE + 4 or _base64url(raw) != encoded or _checksum(body) != checksum:
        raise BadInput("The key string is mistyped or cut short.", field="key")
    segment_size = int.from_bytes(body[KEY_SIZE : KEY_SIZE + 4], "big")
    try:
        check_segment_size(segment_size)
    except ValueError:
        raise BadInput("The key string names an impossible segment size.", field="key") from None
    return StreamKey(Hidden(body[:KEY_SIZE]), body[KEY_SIZE + 4 :], segment_size)


def _checksum(body: bytes) -> bytes:
    return hashlib.sha256(_CHECKSUM + body).digest()[:_CHECKSUM_SIZE]


def _base64url(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()
