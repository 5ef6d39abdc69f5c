"""An entry of the log: an event as canonical JSON (RFC 8785), at most 65 535 bytes (S-88)."""

from __future__ import annotations

import json
from datetime import datetime
from typing import Any

import rfc8785

from audit.tree import leaf_hash
from domain.clock import parse_rfc3339, rfc3339
from domain.errors import ChainBroken
from domain.event import Event
from storage.records import JournalEntry

LONGEST = 65_535


def make_entry(index: int, at: datetime, event: Event) -> JournalEntry:
    """The event as the log keeps it. Raises ValueError where it is no canonical JSON, or longer than allowed: a bug."""
    body = canonical(
        {
            "index": index,
            "at": rfc3339(at),
            "kind": event.kind.value,
            "actor": {"role": event.actor.role.value, "principal_id": event.actor.principal_id},
            "subject": event.subject,
            "facts": dict(event.facts),
        }
    )
    if len(body) > LONGEST:
        raise ValueError("an entry of the audit log is too long")
    return JournalEntry(
        index=index,
        body=body,
        leaf=leaf_hash(body),
        at=at,
        kind=event.kind.value,
        subject=event.subject,
        principal_id=event.actor.principal_id,
    )


def read_entry(index: int, body: bytes) -> JournalEntry:
    """The entry that these bytes are, all columns taken from them alone. Raises ChainBroken."""
    try:
        content = parse_canonical(body)
        read = JournalEntry(
            index=content["index"],
            body=body,
            leaf=leaf_hash(body),
            at=parse_rfc3339(content["at"]),
            kind=content["kind"],
            subject=content["subject"],
            principal_id=content["actor"]["principal_id"],
        )
    except (ValueError, KeyError, TypeError) as error:
        raise ChainBroken("an entry is not in canonical form") from error
    if read.index != index:
        raise ChainBroken("an entry is not at its index")
    return read


def canonical(content: dict[str, Any]) -> bytes:
    """An object as canonical JSON (RFC 8785). Raises ValueError for what that cannot carry."""
    return rfc8785.dumps(content)


def parse_canonical(body: bytes) -> dict[str, Any]:
    """The object that canonical JSON holds. Raises ValueError where it is anything else, or written differently."""
    content = json.loads(body)
    if not isinstance(content, dict) or len(body) > LONGEST or canonical(content) != body:
        raise ValueError("not canonical")
    return content
