"""A message split while it comes: files go where files go, the rest stays, byte for byte, in memory.

What stays is bounded, whatever the size of the message: text that is larger than mails are written is a file as well.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import chain
from urllib.parse import unquote

from mail.coding import decoded
from mail.head import Head
from mail.kind import Kind, kind_of, name_of
from mail.raw import RawMessage
from mail.replies import LOOP, TOO_BIG, Refusal
from mail.tree import Node, Parts, Picture, Stays, Went
from mail.winmail import LARGEST, contained

DEPTH_MAX = 20
PARTS_MAX = 500
"""Nested parts, and all of a message (limits against bombs, S-93)."""
TEXT_MAX = 4 << 20
"""Bytes of a text that stays in the message."""
SIGNATURE_MAX = 1 << 20
STAYS_MAX = 32 << 20
"""Bytes of everything that stays."""
RECEIVED_MAX = 100
"""Servers a message may have passed (RFC 5321, section 6.3)."""
_CID = re.compile(rb"cid:([^\s\"'<>)]+)", re.IGNORECASE)
_SUBJECT_MAX = 120

Keep = Callable[[int, str, Iterable[bytes]], None]
"""Makes an attachment of a part: its number, its name, its bytes."""


@dataclass(frozen=True, slots=True)
class Rules:
    """What a site says of its mails. Sizes in bytes; ``keep_whole``: signed and encrypted messages are kept as well as
    passed on."""

    picture_max: int
    whole_max: int
    keep_whole: bool = False


@dataclass(frozen=True, slots=True)
class Split:
    """What is left of a message. ``whole``: its bytes as they came, where nothing may be changed."""

    head: Head
    root: Node
    whole: bool


class Splitting:
    """Splits one message. Raises Refusal, and whatever ``keep`` raises."""

    def __init__(self, raw: RawMessage, rules: Rules, keep: Keep, *, loop: tuple[str, str]) -> None:
        """``loop``: the field, and what stands in it, of a message that was here before."""
        self._raw = raw
        self._rules = rules
        self._keep = keep
        self._loop = loop
        self._number = 0
        self._stays = 0
        self._pictures: list[Picture] = []
        self._referred: set[str] = set()

    def run(self) -> Split:
        """The whole message, to its last byte."""
        head = Head(self._raw.header())
        if self._loop[1] in head.all(self._loop[0]) or len(head.all("Received")) > RECEIVED_MAX:
            raise Refusal(LOOP)
        kind = kind_of(head, "")
        root = self._whole(head, ()) if kind is Kind.WHOLE else self._node(head, kind, "", (), 0)
        for _ in self._raw.body():  # nothing, or what follows the end of its last part
            pass
        if kind is Kind.WHOLE and self._rules.keep_whole and isinstance(root, Stays):
            self._keep(1, _subject(head), (root.raw,))
        self._decide()
        return Split(head, root, whole=kind is Kind.WHOLE)

    # -- parts -------------------------------------------------------------------------------------------------------
    def _node(self, head: Head, kind: Kind, parent: str, boundaries: Sequence[bytes], depth: int) -> Node:
        self._number += 1
        if self._number > PARTS_MAX or depth > DEPTH_MAX:
            raise Refusal("554 5.6.0 the message has too many parts")
        if kind is Kind.PIECE:
            raise Refusal("554 5.6.1 pieces of messages and references to files elsewhere are not taken")
        if kind is Kind.PARTS:
            return self._parts(head, boundaries, depth)
        if kind is Kind.WHOLE:
            return self._whole(head, boundaries)
        body = self._raw.body(boundaries)
        if kind is Kind.TEXT:
            return self._text(head, body)
        if kind is Kind.PICTURE:
            return self._picture(head, body)
        if kind is Kind.SIGNATURE:
            return self._stay(head, body, SIGNATURE_MAX) or Went()
        if kind is Kind.WINMAIL:
            return self._winmail(head, body)
        if kind is Kind.MESSAGE:
            return self._message(head, body)
        return self._file(head, body)

    def _parts(self, head: Head, boundaries: Sequence[bytes], depth: int) -> Node:
        inner = (*boundaries, head.boundary)
        node = Parts(self._counted(head.raw), head.boundary)
        node.preamble = self._collected(self._raw.body(inner))
        while (hit := self._raw.hit) is not None and hit.index == len(boundaries) and not hit.closing:
            line = self._counted(hit.raw)
            part = Head(self._raw.header(inner))
            node.parts.append((line, self._node(part, kind_of(part, head.type), head.type, inner, depth + 1)))
        if hit is not None and hit.index == len(boundaries):
            self._raw.proceed()
            node.close = self._counted(hit.raw) + self._collected(self._raw.body(boundaries))
        return node

    def _whole(self, head: Head, boundaries: Sequence[bytes]) -> Node:
        pieces, size = [], 0
        for piece in self._raw.body(boundaries):
            size += len(piece)
            if size > self._rules.whole_max:
                raise Refusal(TOO_BIG)
            pieces.append(piece)
        return Stays(head.raw, b"".join(pieces))

    def _text(self, head: Head, body: Iterator[bytes]) -> Node:
        node = self._stay(head, body, TEXT_MAX)
        if node is None:
            return Went()
        if head.type == "text/html":
            text = b"".join(decoded((node.body,), head.coding))
            self._referred.update(unquote(one.decode(errors="replace")) for one in _CID.findall(text))
        return node

    def _picture(self, head: Head, body: Iterator[bytes]) -> Node:
        number = self._number
        node = self._stay(head, body, self._rules.picture_max * 4 // 3 + (self._rules.picture_max >> 4) + 1000)
        if node is None:
            return Went()
        picture = Picture(node.header, node.body, head.content_id, number)
        self._pictures.append(picture)
        return picture

    def _stay(self, head: Head, body: Iterator[bytes], most: int) -> Stays | None:
        """The part as it came; None: it was larger, and is a file now."""
        pieces, size = [], 0
        for piece in body:
            pieces.append(piece)
            size += len(piece)
            if size > most or self._stays + size > STAYS_MAX:
                self._file(head, chain(pieces, body))
                return None
        return Stays(self._counted(head.raw), self._counted(b"".join(pieces)))

    def _file(self, head: Head, body: Iterable[bytes]) -> Node:
        self._keep(self._number, name_of(head, self._number), decoded(body, head.coding))
        return Went()

    def _message(self, head: Head, body: Iterator[bytes]) -> Node:
        content = decoded(body, head.coding)
        begin, size = [], 0
        for piece in content:
            begin.append(piece)
            size += len(piece)
            if size >= 64 << 10:
                break
        name = head.name
        if not name:
            name = _subject(Head(b"".join(begin).partition(b"\n\n")[0].partition(b"\r\n\r\n")[0] + b"\n\n"))
        if not name.lower().endswith(".eml"):
            name += ".eml"
        self._keep(self._number, name, chain(begin, content))
        return Went()

    def _winmail(self, head: Head, body: Iterator[bytes]) -> Node:
        number, name = self._number, head.name or "winmail.dat"
        content = decoded(body, head.coding)
        pieces, size = [], 0
        for piece in content:
            pieces.append(piece)
            size += len(piece)
            if size > LARGEST:
                self._keep(number, name, chain(pieces, content))
                return Went()
        box = b"".join(pieces)
        self._keep(number, name, (box,))
        for place, (inner, file) in enumerate(contained(box), 1):
            self._keep(number + place * (PARTS_MAX + 1), inner or f"attachment-{number}-{place}.bin", (file,))
        return Went()

    def _decide(self) -> None:
        """What the text does not refer to is a file after all."""
        for picture in self._pictures:
            if picture.content_id not in self._referred:
                picture.went = True
                head = Head(picture.header)
                self._keep(picture.number, name_of(head, picture.number), decoded((picture.body,), head.coding))

    # -- bounds ------------------------------------------------------------------------------------------------------
    def _collected(self, body: Iterable[bytes]) -> bytes:
        return b"".join(self._counted(piece) for piece in body)

    def _counted(self, raw: bytes) -> bytes:
        self._stays += len(raw)
        if self._stays > STAYS_MAX:
            raise Refusal(TOO_BIG)
        return raw


def _subject(head: Head) -> str:
    subject = " ".join(head.get("Subject").replace("\0", "").split())
    return (subject[:_SUBJECT_MAX] or "message") + ".eml"
