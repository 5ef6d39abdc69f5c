"""What tests of uploads in pieces share: bytes that break off, and an eye on everything that is kept."""

from __future__ import annotations

import random
from collections.abc import Iterator
from typing import Any

import pytest

from domain.actor import EVERYTHING
from domain.attachment import Attachment, AttachmentState, Source
from domain.errors import BilagaError, IncompleteBody
from domain.upload import Upload
from storage import Check
from tests.transfers import TransferSite
from transfer import Incoming

SEGMENT = 1 << 20


def text(size: int, seed: int = 1) -> bytes:
    """Bytes that pass for a text."""
    return random.Random(seed).randbytes(size // 2 + 1).hex().encode()[:size]


def pieces(content: bytes, size: int = 64 << 10) -> Iterator[bytes]:
    for at in range(0, len(content), size):
        yield content[at : at + size]


def cut(content: bytes, error: BaseException | None = None) -> Iterator[bytes]:
    """The bytes, and then a connection that is gone."""
    yield from pieces(content)
    raise error or IncompleteBody


def refused(work: Any, *args: Any, **more: Any) -> BilagaError:
    """What a call raises."""
    with pytest.raises(BilagaError) as caught:
        work(*args, **more)
    return caught.value


class Sender:
    """One upload by a link, as a client has it."""

    def __init__(self, site: TransferSite, length: int | None, link: str | None = None, **more: Any) -> None:
        self.site = site
        self.link = link or site.upload_link().token
        self.created = site.resuming.create(self.incoming(), more.pop("name", "notes.txt"), length=length, **more)
        self.token = self.created.token

    def incoming(self) -> Any:
        grant = self.site.records.read(lambda unit: self.site.redeeming.upload(unit, self.link))
        return Incoming(
            grant.actor, grant.ticket.id, Source.REQUESTER, grant.link, allowed_types=grant.link.terms.allowed_types
        )

    def append(self, content: Any, offset: int, **more: Any) -> Upload:
        if isinstance(content, bytes):
            more.setdefault("size", len(content))
            content = pieces(content)
        return self.site.resuming.append(self.token, self.incoming(), content, offset=offset, **more)

    def find(self) -> Upload:
        return self.site.resuming.find(self.token, self.incoming())

    def cancel(self) -> None:
        self.site.resuming.cancel(self.token, self.incoming())

    def row(self) -> Attachment | None:
        attachment_id = self.created.upload.attachment_id
        return self.site.records.read(lambda unit: unit.attachments.get(attachment_id, EVERYTHING))

    def attachment(self) -> Attachment:
        row = self.row()
        assert row is not None
        assert row.state is AttachmentState.AVAILABLE
        return row


def blob_count(site: TransferSite) -> int:
    return len(list(site.blobs.iterate()))


def key_count(site: TransferSite) -> int:
    return len(site.records.read(lambda unit: list(unit.keys.owners(after=None, limit=100))))


def findings(site: TransferSite) -> list[str]:
    """What fsck finds."""
    return [f"{one.kind.value}: {one.detail}" for one in Check(site.records, site.blobs, site.clock).run()]
