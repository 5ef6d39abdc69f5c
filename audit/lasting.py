"""What must stay so whatever is restored (S-6): erased, revoked, infected, held. Ids alone, signed with checkpoints.

Each is one extension line of the checkpoint that covers it (C2SP ``tlog-checkpoint``): ``kind index subject [detail]``.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from domain.errors import ChainBroken
from domain.event import EventKind
from storage.records import JournalEntry

# By kind, the facts of which the first that is there is told beside the subject.
_DETAILS: Mapping[EventKind, tuple[str, ...]] = {
    EventKind.PURGE_STARTED: (),
    EventKind.PURGE_FINISHED: ("certificate_id",),
    EventKind.TICKET_ERASED: (),
    EventKind.LINK_REVOKED: ("recipient",),
    EventKind.CREDENTIAL_REVOKED: (),
    EventKind.SCAN_FINISHED: (),
    EventKind.HOLD_PLACED: ("ticket_id", "organisation_id"),
    EventKind.HOLD_RELEASED: ("ticket_id", "organisation_id"),
}
_ID = re.compile(r"[0-9A-Za-z_-]{1,64}")
_LINE = re.compile(r"(?P<kind>[a-z.-]+) (?P<index>0|[1-9][0-9]{0,18}) (?P<subject>\S+)(?: (?P<detail>\S+))?")


@dataclass(frozen=True, slots=True)
class Lasting:
    """One such fact. ``detail``: of a purge the certificate's id, of a hold the id of the ticket or organisation,
    of a link ``erased`` where whom it named was erased with it."""

    kind: EventKind
    index: int
    subject: str
    detail: str | None = None

    def __str__(self) -> str:
        return f"{self.kind.value} {self.index} {self.subject}" + (f" {self.detail}" if self.detail else "")

    @classmethod
    def parse(cls, line: str) -> Lasting:
        """Read a line. Raises ChainBroken."""
        match = _LINE.fullmatch(line)
        try:
            if match is None:
                raise ValueError(line)
            return cls(EventKind(match["kind"]), int(match["index"]), match["subject"], match["detail"])
        except ValueError as error:
            raise ChainBroken("a checkpoint's text is malformed") from error


def is_lasting(kind: str) -> bool:
    """Whether events of that kind may be such facts."""
    return kind in _DETAILS


def lasting_of(entry: JournalEntry) -> Lasting | None:
    """The lasting fact that an entry is, by its body alone."""
    if not is_lasting(entry.kind):
        return None
    content: dict[str, Any] = json.loads(entry.body)
    kind, subject, facts = EventKind(content["kind"]), content["subject"], content["facts"]
    if not _is_id(subject) or (kind is EventKind.SCAN_FINISHED and facts.get("scan") != "infected"):
        return None
    details = (facts.get(name) for name in _DETAILS[kind])
    return Lasting(kind, entry.index, subject, next((one for one in details if _is_id(one)), None))


def _is_id(text: object) -> bool:
    return isinstance(text, str) and _ID.fullmatch(text) is not None
