"""32 bytes that must not leak: what data keys and site secrets have in common (S-30)."""

from __future__ import annotations

import hmac
import secrets
from typing import Any, NoReturn, Self, final

from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

KEY_SIZE = 32


class Hidden:
    """32 secret bytes. They show in no repr, log, pickle or copy; two are compared in constant time, and none can be
    the key of a mapping. ``reveal`` is the one way out, and is called where a key is wrapped or printed on purpose.
    """

    __slots__ = ("_raw",)

    def __init__(self, raw: bytes) -> None:
        """Take over 32 bytes made elsewhere. Raises ValueError for any other length."""
        if len(raw) != KEY_SIZE:
            raise ValueError("a key has 32 bytes")
        self._raw = bytes(raw)

    @classmethod
    def generate(cls) -> Self:
        """A new one from the system's random source."""
        return cls(secrets.token_bytes(KEY_SIZE))

    @final
    def reveal(self) -> bytes:
        """The 32 bytes themselves."""
        return self._raw

    def derive(self, *, salt: bytes | None, info: bytes, length: int = KEY_SIZE) -> bytes:
        """HKDF-SHA-256 (RFC 5869, extract and expand) with these bytes as input keying material."""
        return HKDF(SHA256(), length, salt, info).derive(self._raw)

    def __repr__(self) -> str:
        return f"{type(self).__name__}(****)"

    def __eq__(self, other: object) -> bool:
        if type(other) is not type(self) or not isinstance(other, Hidden):
            return NotImplemented
        return hmac.compare_digest(self._raw, other.reveal())

    __hash__ = None  # type: ignore[assignment]  # a hash of a key would be a leak and a trap

    def __reduce_ex__(self, protocol: Any) -> NoReturn:
        raise TypeError(f"a {type(self).__name__} is never pickled or copied")
