"""Harmless files that a malware scanner must not call clean: they show what its ``clean`` is worth (S-47)."""

from __future__ import annotations

import io
import zipfile

# In hex, so that no scanner takes this file for it.
EICAR = bytes.fromhex(
    "58354f2150254041505b345c505a58353428505e2937434329377d244549434152"
    "2d5354414e444152442d414e544956495255532d544553542d46494c452124482b482a"
)
"""The test file of EICAR, which every scanner calls infected."""


def nested() -> bytes:
    """An archive in an archive, deeper than clamd goes at any setting (MaxRecursion is at most 100)."""
    content = b"bilaga"
    for _ in range(120):
        content = zipped(content)
    return content


def encrypted() -> bytes:
    """An archive whose one member says of itself, in both headers, that it is encrypted."""
    content = bytearray(zipped(b"bilaga: not really encrypted"))
    for signature, offset in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        content[content.index(signature) + offset] |= 1
    return bytes(content)


def zipped(member: bytes) -> bytes:
    """An archive with this one member."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(zipfile.ZipInfo("bilaga"), member)
    return out.getvalue()
