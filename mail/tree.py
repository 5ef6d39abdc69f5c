"""A message's parts as they are kept: bytes that stay as they came, and what is gone from between them."""

from __future__ import annotations

from dataclasses import dataclass, field

EMPTY = b"Content-Type: text/plain; charset=us-ascii\r\n\r\n(what was here is kept elsewhere)\r\n"
"""Stands where everything in a multipart has gone: one must have a part (RFC 2046, section 5.1)."""


@dataclass(slots=True)
class Stays:
    """A part to the last byte of it."""

    header: bytes
    body: bytes

    @property
    def raw(self) -> bytes:
        """As it came."""
        return self.header + self.body


@dataclass(frozen=True, slots=True)
class Went:
    """A part that is a file now."""


@dataclass(slots=True)
class Picture:
    """A small picture that the text may refer to: known when all of the text is."""

    header: bytes
    body: bytes
    content_id: str
    number: int
    went: bool = False


@dataclass(slots=True)
class Parts:
    """A multipart: each part with the delimiter line before it; ``close``: the closing one, and what follows it."""

    header: bytes
    boundary: bytes
    preamble: bytes = b""
    parts: list[tuple[bytes, Node]] = field(default_factory=list)
    close: bytes = b""

    @property
    def body(self) -> bytes:
        """What is left of it."""
        stays = [(line, raw) for line, node in self.parts if (raw := raw_of(node)) is not None]
        if self.parts and not stays:
            stays = [(b"\r\n--" + self.boundary + b"\r\n", EMPTY)]
        pieces = [self.preamble]
        for line, raw in stays:
            pieces += [line, raw]
        # Without one, whatever is put behind it would be taken for its last part.
        pieces.append(self.close or b"\r\n--" + self.boundary + b"--\r\n")
        return b"".join(pieces)


Node = Stays | Went | Picture | Parts


def raw_of(node: Node) -> bytes | None:
    """What is left of a part; None: nothing."""
    if isinstance(node, Parts):
        return node.header + node.body
    if isinstance(node, Went) or (isinstance(node, Picture) and node.went):
        return None
    return node.header + node.body
