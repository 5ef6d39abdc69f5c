"""What uploads by links come to, as simply as it can be said: what ``test_upload_life.py`` compares the house with."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any

from domain.errors import (
    BadInput,
    BilagaError,
    ChecksumMismatch,
    Gone,
    IncompleteBody,
    LinkExpired,
    LinkRevoked,
    LinkUnknown,
    NotAllowed,
    OffsetConflict,
    QuotaExceeded,
    TooLarge,
    TooMany,
)
from domain.upload import UploadKind

DAY = timedelta(hours=24)
Refusals = tuple[type[BilagaError], ...]
"""What a call may raise; none of them: it must not raise."""


class State(StrEnum):
    """As rows have it; but ``piece``, a partial upload that is complete, and ``gone``, where there is no row."""

    OPEN = "open"
    RECEIVED = "received"
    COMPLETE = "complete"
    PIECE = "piece"
    JOINED = "joined"
    FAILED = "failed"
    GONE = "gone"


CLAIMS = frozenset({State.OPEN, State.RECEIVED, State.PIECE})


@dataclass(eq=False)
class Link:
    """An upload link. ``incoming``: as it was redeemed when it was new."""

    id: Any
    incoming: Any
    expires_at: datetime
    max_files: int
    max_bytes: int | None
    revoked: bool = False
    files: list[File] = field(default_factory=list)

    def why_not(self, now: datetime) -> Refusals:
        if self.revoked:
            return (LinkRevoked,)
        return (LinkExpired,) if now >= self.expires_at else ()

    @property
    def claims(self) -> list[File]:
        return [one for one in self.files if one.state in CLAIMS]

    @property
    def attachments(self) -> list[File]:
        return [one for one in self.files if one.is_attachment]

    def no_room(self, size: int, without: Sequence[File] = ()) -> Refusals:
        """Why there is no room for another file. ``without``: claims that are given back for it."""
        taken = [*self.attachments, *(one for one in self.claims if one not in without)]
        errors: list[type[BilagaError]] = []
        if len(taken) + 1 > self.max_files:
            errors.append(TooMany)
        if self.max_bytes is not None and size + sum(one.length or 0 for one in taken) > self.max_bytes:
            errors.append(QuotaExceeded)
        return tuple(errors)


@dataclass(eq=False)
class File:
    """An upload. ``content``: what was acknowledged. ``wrong``: it was announced to be something else."""

    link: Link
    kind: UploadKind
    length: int | None
    wrong: bool
    expires_at: datetime
    made: Any
    state: State = State.OPEN
    content: bytes = b""
    parts: tuple[File, ...] = ()
    is_attachment: bool = False

    def stream(self, offset: int, size: int) -> bytes:
        """What its sender has from there."""
        whole = random.Random(self.made.upload.id).randbytes(offset + size)
        return whole[offset:]

    @property
    def room(self) -> int | None:
        return None if self.length is None else self.length - len(self.content)

    def takes_bytes(self, now: datetime) -> bool:
        """Whether there is something that it lacks and may have."""
        alive = now < self.expires_at and not self.link.why_not(now)
        return alive and self.state is State.OPEN and self.room != 0

    def asked(self, now: datetime, by: Link | None = None) -> Refusals:
        """What whoever asks for it by a link is told; and what asking brings about."""
        if self.state is State.GONE or by not in {None, self.link}:
            return (LinkUnknown,)
        if self.state is State.FAILED:
            return (Gone,)
        if self.expires_at <= now and self.state is not State.RECEIVED:
            self.state = State.GONE
            return (Gone,)
        why = self.link.why_not(now) if self.state in CLAIMS else ()
        if why and self.state is not State.RECEIVED:
            self.state = State.GONE
        return why

    def why_not_these(self, offset: int, size: int, announced: int | None, how: str) -> Refusals:
        """Why it, which can be asked for, does not take so many bytes that come in this way."""
        at = len(self.content)
        if self.kind is UploadKind.FINAL:
            return (NotAllowed,)
        if offset != at:
            return (OffsetConflict,)
        if self.state is not State.OPEN:
            return (TooLarge,) if announced or (announced is None and size) else ()
        if how == "last" and self.length not in {None, at + size}:
            return (BadInput,)
        if self.room is not None and size > self.room:
            return (TooLarge,)
        return {"mistaken": (ChecksumMismatch,), "cut checked": (IncompleteBody,)}.get(how, ())

    def swept(self, now: datetime) -> bool:
        """The sweep comes by; whether it ends this."""
        late = self.expires_at <= now and self.state not in {State.RECEIVED, State.GONE}
        dead = self.state in {State.OPEN, State.PIECE} and self.link.why_not(now) != ()
        if late or dead:
            self.state = State.GONE
        return late or dead

    def keep(self, data: bytes, now: datetime) -> None:
        """These were acknowledged; with the last of them it is all there."""
        self.content += data
        if data:
            self.expires_at = now + DAY
        if len(self.content) == self.length:
            self.expires_at = now + DAY
            self.state = State.PIECE if self.kind is UploadKind.PARTIAL else State.RECEIVED

    def assemble(self, now: datetime) -> bool:
        """It is made an attachment of; whether it is one."""
        if self.wrong or self.link.revoked:
            self.state = State.FAILED
        else:
            self.state, self.expires_at, self.is_attachment = State.COMPLETE, now + DAY, True
        return self.is_attachment

    @property
    def keys(self) -> set[str]:
        """Whose keys there must be for it."""
        found = {str(self.made.upload.attachment_id)} if self.state in CLAIMS or self.is_attachment else set()
        if self.state in CLAIMS:
            sealed = [one for one in self.parts if one.content] if self.kind is UploadKind.FINAL else [self]
            found |= {str(one.made.upload.id) for one in sealed}
        return found
