"""What a key or a stream belongs to: associated data that never changes while it lives (S-23)."""

from __future__ import annotations

from dataclasses import dataclass

from crypto.format import STREAM_FORMAT

_ENCODING = b"\x01"


def encode_fields(*fields: bytes) -> bytes:
    """Fields as one byte string, each behind its length (uint32, big-endian): no two lists of fields give the same."""
    return b"".join(len(field).to_bytes(4, "big") + field for field in fields)


@dataclass(frozen=True, slots=True)
class Context:
    """Ties a data key and its streams to an installation, an owner (our id of it) and a purpose.

    Nothing in here may be mutable: a ticket's number, a file's name or a state would break what is sealed already.
    Raises ValueError for an empty field.
    """

    installation: str
    owner_id: str
    purpose: str
    stream_format: int = STREAM_FORMAT

    def __post_init__(self) -> None:
        if not (self.installation and self.owner_id and self.purpose):
            raise ValueError("a context names its installation, its owner and its purpose")
        if not 0 < self.stream_format < 1 << 32:
            raise ValueError("a stream format is a positive number")

    def encode(self) -> bytes:
        """The associated data (AAD): a version byte, then the fields, each behind its length.

        It begins with 0x01, so never with a label of ours, which all begin with ``bilaga/`` (S-24).
        """
        return _ENCODING + encode_fields(
            self.stream_format.to_bytes(4, "big"),
            self.installation.encode(),
            self.owner_id.encode(),
            self.purpose.encode(),
        )
