"""The data key: one for an attachment, a ticket or an organisation, and what can be done with it."""

from __future__ import annotations

from typing import final

from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from crypto.context import Context, encode_fields
from crypto.hidden import Hidden
from crypto.key_string import StreamKey
from crypto.sealed_value import open_value, seal_value
from crypto.stream_cipher import commitment
from domain.errors import WrongContext

_TEXT = b"bilaga/text/v1\x00"


@final
class DataKey(Hidden):
    """32 random bytes that seal one owner's streams and texts. Whoever destroys every wrapped copy erased them all."""

    __slots__ = ()

    def key_string(self, context: Context, segment_size: int) -> str:
        """All that opens this owner's stream without us (S-22), as one printable line. As secret as the key."""
        return StreamKey(self, context.encode(), segment_size).text()

    def commitment(self, salt: bytes, context: Context) -> bytes:
        """32 bytes that only this key gives for a stream's salt and context (S-24)."""
        return commitment(self, salt, context.encode())

    def seal_text(self, text: str, label: str, context: Context) -> bytes:
        """A text sealed under a key of its own label; 29 bytes longer than the text in UTF-8."""
        return seal_value(self._labelled(label, context), text.encode(), context.encode())

    def open_text(self, sealed: bytes, label: str, context: Context) -> str:
        """The text. Raises WrongContext where it was changed, or sealed as something else or for somebody else."""
        try:
            return open_value(self._labelled(label, context), sealed, context.encode()).decode()
        except UnicodeDecodeError as failure:
            raise WrongContext from failure

    def _labelled(self, label: str, context: Context) -> AESGCM:
        return AESGCM(self.derive(salt=None, info=_TEXT + encode_fields(label.encode(), context.encode())))
