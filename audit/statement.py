"""What a checkpoint's text says, as of C2SP ``tlog-checkpoint``: origin, size, root, and lines of our own."""

from __future__ import annotations

import base64
from dataclasses import dataclass

from audit.lasting import Lasting
from domain.errors import ChainBroken


@dataclass(frozen=True, slots=True)
class Statement:
    """That log had that many entries and that root (32 bytes); ``lasting``: what came since the checkpoint before."""

    origin: str
    size: int
    root: bytes
    lasting: tuple[Lasting, ...] = ()

    def __str__(self) -> str:
        head = f"{self.origin}\n{self.size}\n{base64.b64encode(self.root).decode()}\n"
        return head + "".join(f"{one}\n" for one in self.lasting)

    @property
    def point(self) -> tuple[str, int, bytes]:
        """Origin, size and root: what is never signed twice in two ways (S-89)."""
        return self.origin, self.size, self.root

    @classmethod
    def parse(cls, text: str) -> Statement:
        """Read a checkpoint's text. Raises ChainBroken."""
        try:
            origin, size, root, *lines = text.rstrip("\n").split("\n")
            lasting = tuple(Lasting.parse(line) for line in lines)
            statement = cls(origin, int(size), base64.b64decode(root, validate=True), lasting)
        except ValueError as error:  # binascii.Error is one
            raise ChainBroken("a checkpoint's text is malformed") from error
        if str(statement) != text or statement.size < 0 or len(statement.root) != 32:
            raise ChainBroken("a checkpoint's text is malformed")
        return statement
