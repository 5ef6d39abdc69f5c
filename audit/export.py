"""The whole log as JSON lines, to be verified elsewhere (S-90).

First line ``{"log": {"origin", "public_key", "format": 1}}``, then ``{"entry": {…}, "leaf": …}`` in order, each
``{"checkpoint": {"size", "note"}}`` after the entries it covers. JSON has no formulas, so no cell of a spreadsheet
begins with one (S-91).
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from typing import Any

from audit.entry import canonical, parse_canonical
from audit.log import Log
from audit.pages import in_order, kept_checkpoints, kept_entries
from audit.verify import Report, Verification
from domain.errors import BadInput
from storage.records import Checkpoint, JournalEntry, Records

FORMAT = 1
_LONGEST_LINE = 1 << 20


def write_export(records: Records, log: Log, write: Callable[[bytes], Any]) -> int:
    """Write the whole log line by line; how many entries."""
    write(_line({"log": {"format": FORMAT, "origin": log.origin, "public_key": log.public_key}}))
    count = 0
    for one in in_order(kept_entries(records), kept_checkpoints(records)):
        if isinstance(one, Checkpoint):
            write(_line({"checkpoint": {"size": one.size, "note": one.note}}))
        else:
            write(_entry(one))
            count += 1
    return count


def verify_export(lines: Iterable[bytes], public_key: str | None = None) -> Report:
    """Verify what ``write_export`` wrote. ``public_key`` is the one you trust; without it, the file's own is believed.

    Raises BadInput where this is no export, or a key is none.
    """
    rest = iter(lines)
    head = _object(next(rest, b"")).get("log")
    if not isinstance(head, dict) or head.get("format") != FORMAT or not isinstance(head.get("public_key"), str):
        raise BadInput("This is not an export of an audit log.")
    verification = Verification(public_key or head["public_key"])
    for line in rest:
        _take(verification, _object(line))
    return verification.finish()


def _take(verification: Verification, said: dict[str, Any]) -> None:
    match said:
        case {"entry": dict() as content, "leaf": str(leaf)}:
            verification.body(canonical(content), _unhex(leaf))
        case {"raw": str(body), "leaf": str(leaf)}:
            verification.body(_unhex(body), _unhex(leaf))
        case {"checkpoint": {"size": int(size), "note": str(note)}}:
            verification.checkpoint(size, note)
        case _:
            raise BadInput("This is not a line of an audit log's export.")


def _entry(entry: JournalEntry) -> bytes:
    leaf = _hex(entry.leaf)
    try:
        return _line({"entry": parse_canonical(entry.body), "leaf": leaf})
    except ValueError:  # changed by somebody; whoever verifies the export must see it as it is
        return _line({"raw": _hex(entry.body), "leaf": leaf})


def _hex(content: object) -> str:
    """In hex; a column changed by hand may hold text, or nothing."""
    return content.hex() if isinstance(content, bytes) else str(content).encode(errors="replace").hex()


def _line(content: dict[str, Any]) -> bytes:
    return canonical(content) + b"\n"


def _object(line: bytes) -> dict[str, Any]:
    try:
        content = json.loads(line) if len(line) <= _LONGEST_LINE else None
    except ValueError as error:
        raise BadInput("This is not an export of an audit log.") from error
    if not isinstance(content, dict):
        raise BadInput("This is not an export of an audit log.")
    return content


def _unhex(text: str) -> bytes:
    try:
        return bytes.fromhex(text)
    except ValueError as error:
        raise BadInput("This is not a line of an audit log's export.") from error
