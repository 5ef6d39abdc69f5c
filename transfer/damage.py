"""Damage found: the attachment says so from then on, the log has it, and somebody is called (S-26)."""

from __future__ import annotations

import logging
from dataclasses import replace

from audit import Log
from domain.actor import EVERYTHING, Actor
from domain.attachment import LIVE, AttachmentState, step
from domain.errors import AlreadyPurged, Damaged, Unavailable
from domain.event import Event, EventKind
from domain.ids import AttachmentId
from storage import Records, Unit

log = logging.getLogger(__name__)


def report_damage(records: Records, journal: Log, attachment_id: AttachmentId, cause: Damaged, actor: Actor) -> None:
    """Make the attachment ``damaged``, with event and alarm. Raises AlreadyPurged where a purge was the cause."""

    def work(unit: Unit) -> bool:
        row = unit.attachments.get(attachment_id, EVERYTHING)
        if row is None or row.state not in LIVE:
            return False
        if row.state is not AttachmentState.DAMAGED:
            state = step(row.state, AttachmentState.DAMAGED)
            unit.attachments.save(replace(row, state=state, version=row.version + 1))
            facts = {"cause": type(cause).__name__}
            journal.append(unit, Event(EventKind.INTEGRITY_FAILED, actor, attachment_id, facts))
        return True

    try:
        damaged = records.write(work)
    except Unavailable:
        damaged = True  # the next reader will find it again, and mark it
    if not damaged:
        raise AlreadyPurged from cause
    log.error("attachment.damaged", extra={"attachment_id": attachment_id, "cause": type(cause).__name__})
