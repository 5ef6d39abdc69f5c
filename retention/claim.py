"""A claim on an attachment: that it is being erased, why, and by which facts, as the audit log has it.

The log's ``purge.started`` entry is the claim's memory: a run that finishes what a crash left reads it from there.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from domain.actor import Actor
from domain.attachment import Attachment
from domain.clock import rfc3339
from domain.disposal import Destiny
from domain.event import Event, EventKind, Scalar
from storage.records import JournalFilter, Unit

_FACT = "fact."


class Reason(StrEnum):
    """Why an attachment is erased: its time was up, its requester took it back, somebody with the right said so, or
    all of that was done before and a backup brought it back.
    """

    RETENTION = "retention"
    WITHDRAWN = "withdrawn"
    ERASED = "erased"
    RESTORED = "restored"


@dataclass(frozen=True, slots=True)
class Claim:
    """``index``: of the entry ``purge.started``. ``generation``: of the destroyed key, None as long as there is one."""

    attachment: Attachment
    reason: Reason
    retention_class: str | None
    rule: str | None
    due_at: str | None
    facts: Mapping[str, Any]
    index: int | None
    generation: int | None = None


def started(actor: Actor, attachment: Attachment, reason: Reason, destiny: Destiny) -> Event:
    """The event that a claim is remembered by."""
    facts: dict[str, Scalar] = {
        "ticket_id": attachment.ticket_id,
        "reason": reason.value,
        "retention_class": destiny.retention_class,
        "rule": destiny.rule,
        "due_at": rfc3339(destiny.due_at) if destiny.due_at else None,
        "sealed_size": attachment.sealed_size,
    }
    facts |= {f"{_FACT}{name}": value for name, value in destiny.facts.items()}
    return Event(EventKind.PURGE_STARTED, actor, attachment.id, facts)


def claim_of(
    attachment: Attachment, said: Mapping[str, Any], index: int | None, generation: int | None = None
) -> Claim:
    """The claim that the facts of a ``purge.started`` event speak of."""
    return Claim(
        attachment=attachment,
        reason=Reason(attachment.purge_reason or Reason.RETENTION),
        retention_class=said.get("retention_class"),
        rule=said.get("rule"),
        due_at=said.get("due_at"),
        facts={name.removeprefix(_FACT): value for name, value in said.items() if name.startswith(_FACT)},
        index=index,
        generation=generation,
    )


def recall(unit: Unit, attachment: Attachment) -> Claim:
    """The claim on an attachment that is ``purging``, from the log."""
    index, said = _newest(unit, EventKind.PURGE_STARTED, attachment.id)
    _, destroyed = _newest(unit, EventKind.KEY_DESTROYED, attachment.id)
    return claim_of(attachment, said, index, destroyed.get("generation"))


def _newest(unit: Unit, kind: EventKind, subject: str) -> tuple[int | None, dict[str, Any]]:
    found = unit.journal.find(JournalFilter(kind=kind.value, subject=subject), before=None, limit=1)
    if not found:
        return None, {}
    return found[0].index, json.loads(found[0].body)["facts"]
