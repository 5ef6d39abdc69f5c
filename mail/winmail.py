"""Outlook's ``winmail.dat`` (TNEF) opened, by a library that trusts its input: so only within limits."""

from __future__ import annotations

import struct
from collections.abc import Sequence

from tnefparse.tnef import TNEF, TNEFAttachment

SIGNATURE = b"\x78\x9f\x3e\x22"
LARGEST = 32 << 20
"""Bytes; a larger box is kept as it is."""
MOST_OBJECTS = 2_000
MOST_COPIED = 4 << 30
"""The library copies what is left of the box for each object in it: objects times size stay below this."""


def contained(box: bytes) -> Sequence[tuple[str, bytes]]:
    """The files in a box, name and content; none where it is damaged or too much: then the box itself is the file."""
    if not box.startswith(SIGNATURE) or not _modest(box):
        return ()
    try:
        opened = TNEF(box, do_checksum=False)
        return [(_name(one), bytes(one.data)) for one in opened.attachments if one.data]
    except Exception:  # noqa: BLE001  # it has no error of its own: of damaged input it raises whatever comes
        return ()


def _modest(box: bytes) -> bool:
    """Whether its objects are few enough: level (1 byte), name and type (2 each), length (4), the rest, sum (2)."""
    at, objects = 6, 0
    while at + 11 < len(box):
        objects += 1
        at += 11 + struct.unpack_from("<I", box, at + 5)[0]
        if objects > MOST_OBJECTS or objects * len(box) > MOST_COPIED:
            return False
    return True


def _name(file: TNEFAttachment) -> str:
    try:
        said = file.long_filename()
    except UnicodeDecodeError:
        said = file._name  # noqa: SLF001  # the library takes every short name for UTF-8; Outlook writes its code page
    text = said.decode("cp1252", errors="replace") if isinstance(said, bytes) else str(said)
    return " ".join(text.replace("\0", "").split())
