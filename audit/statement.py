"""What a checkpoint's text says, as of C2SP ``tlog-checkpoint``: origin, size, root."""

from __future__ import annotations

import base64
from dataclasses import dataclass

from domain.errors import ChainBroken


@dataclass(frozen=True, slots=True)
class Statement:
    """That log had that many entries and that root (32 bytes)."""

    origin: str
    size: int
    root: bytes

    def __str__(self) -> str:
        return f"{self.origin}\n{self.size}\n{base64.b64encode(self.root).decode()}\n"

    @classmethod
    def parse(cls, text: str) -> Statement:
        """Read a checkpoint's text. Raises ChainBroken."""
        try:
            origin, size, root = text.rstrip("\n").split("\n")
            statement = cls(origin, int(size), base64.b64decode(root, validate=True))
        except ValueError as error:  # binascii.Error is one
            raise ChainBroken("a checkpoint's text is malformed") from error
        if str(statement) != text or statement.size < 0 or len(statement.root) != 32:
            raise ChainBroken("a checkpoint's text is malformed")
        return statement
