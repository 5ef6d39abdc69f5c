"""What is always so of a site that takes uploads, by the model of them (``upload_model.py``)."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any

from crypto.format import HEADER_SIZE
from domain.attachment import AttachmentState
from tests.properties.transfer.upload_model import File, Link, State
from tests.transfers import AGENT, TransferSite

PATIENCE = 60.0


class Always:
    """Looks at everything that is kept."""

    def __init__(self, site: TransferSite) -> None:
        self.site = site
        self.links: list[Link] = []
        self._salts: dict[str, bytes] = {}

    @property
    def files(self) -> Sequence[File]:
        return [file for link in self.links for file in link.files]

    def bytes_of(self, file: File) -> None:
        """What is readable is what was acknowledged, to the byte."""
        if file.is_attachment:
            assert self.site.read(AGENT, file.made.upload.attachment_id) == file.content

    def rows(self) -> None:
        """They say what was acknowledged: offset, length, state, expiry."""

        def look(unit: Any) -> None:
            for file in self.files:
                row = unit.uploads.get(file.made.upload.id)
                if file.state is State.GONE:
                    assert row is None
                    continue
                state = "complete" if file.state is State.PIECE else file.state.value
                assert (row.state.value, row.expires_at) == (state, file.expires_at)
                if file.state is not State.FAILED:
                    assert (row.offset, row.length) == (len(file.content), file.length)

        self.site.records.read(look)

    def quotas(self) -> None:
        """They are what the rows come to, and what the model does."""

        def look(unit: Any) -> None:
            assert list(unit.inventory.miscounted()) == []
            for link in self.links:
                quota, done = unit.quotas.get(link.id), link.attachments
                assert (quota.used_files, quota.used_bytes) == (len(done), sum(len(one.content) for one in done))
                assert quota.reserved_files == len(link.claims)
                if link.max_bytes is not None:
                    assert quota.reserved_bytes == sum(one.length or 0 for one in link.claims)

        self.site.records.read(look)

    def attachments(self) -> None:
        """Nothing is one that is not all there."""
        rows = self.site.records.read(lambda unit: list(unit.inventory.all()))
        by_state = {state: {row.id for row in rows if row.state is state} for state in AttachmentState}
        ids = {file: file.made.upload.attachment_id for file in self.files}
        assert by_state.pop(AttachmentState.AVAILABLE) == {ids[file] for file in ids if file.is_attachment}
        assert by_state.pop(AttachmentState.RECEIVING) == {ids[file] for link in self.links for file in link.claims}
        assert not any(by_state.values())

    def keys(self) -> None:
        """None is missing, and none outlives what it is for."""
        rows = self.site.records.read(lambda unit: unit.keys.owners(after=None, limit=9999))
        made = [file.made.upload for file in self.files]
        of_files = {str(one) for upload in made for one in (upload.id, upload.attachment_id)}
        assert {row.owner_id for row in rows} & of_files == set[str]().union(*(file.keys for file in self.files))

    def blobs(self) -> None:
        """Each is somebody's, and none is sealed with what another was sealed with."""
        until = time.monotonic() + PATIENCE  # what a job's thread deletes, it deletes after its rows
        while (orphans := self._orphans()) and time.monotonic() < until:
            time.sleep(0.01)
        assert not orphans

    def _orphans(self) -> set[str]:
        there = {stat.blob_id: stat for stat in self.site.blobs.iterate()}

        def look(unit: Any) -> set[str]:
            needed = {row.blob_id for row in unit.inventory.all() if row.state is AttachmentState.AVAILABLE}
            needed |= {part.blob_id for part in unit.upload_parts.page(after=None, limit=9999)}
            assert needed <= set(there)
            return set(there) - needed - unit.upload_parts.named(set(there))

        orphans = self.site.records.read(look)
        for blob_id in set(there) - set(self._salts) - orphans:
            if there[blob_id].finished:
                with self.site.blobs.open(blob_id) as reader:
                    salt = reader.read_at(0, HEADER_SIZE)
                assert salt not in self._salts.values(), "a key and a nonce for two plaintexts"
                self._salts[blob_id] = salt
        return orphans
