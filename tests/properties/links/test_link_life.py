"""A link's life as a state machine: whatever is done to links in whatever order, they give what a tiny model gives."""

from __future__ import annotations

import shutil
import tempfile
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, invariant, rule

from domain.actor import EVERYTHING
from domain.attachment import AttachmentState
from domain.errors import (
    AlreadyPurged,
    BilagaError,
    LinkExpired,
    LinkRevoked,
    LinkUsedUp,
    QuotaExceeded,
    TooMany,
)
from tests.transfers import AGENT, MIB, TransferSite
from transfer import Reading

SIZE = 1000


@dataclass
class File:
    id: Any
    purged: bool = False


@dataclass
class UploadLink:
    issued: Any
    expires_at: datetime
    max_files: int
    max_bytes: int
    revoked: bool = False
    files: int = 0
    bytes: int = 0

    def why_not(self, now: datetime) -> type[BilagaError] | None:
        if self.revoked:
            return LinkRevoked
        if now >= self.expires_at:
            return LinkExpired
        if self.files >= self.max_files or self.bytes >= self.max_bytes:
            return LinkUsedUp
        return None


@dataclass
class DownloadLink:
    issued: Any
    file: File
    expires_at: datetime
    max_downloads: int | None
    revoked: bool = False
    used: int = 0

    def why_not(self, now: datetime) -> type[BilagaError] | None:
        if self.revoked:
            return LinkRevoked
        if now >= self.expires_at:
            return LinkExpired
        if self.max_downloads is not None and self.used >= self.max_downloads:
            return LinkUsedUp
        return AlreadyPurged if self.file.purged else None


@dataclass
class GrantModel:
    token: str
    link: DownloadLink
    ends_at: datetime
    left: int = field(default=2 * SIZE + 16 * MIB)

    def why_not(self, now: datetime) -> type[BilagaError] | None:
        if self.link.revoked:
            return LinkRevoked
        if now >= self.ends_at:
            return LinkExpired
        return AlreadyPurged if self.link.file.purged else None


class LinkLife(RuleBasedStateMachine):
    files = Bundle("files")
    uploads = Bundle("uploads")
    downloads = Bundle("downloads")
    grants = Bundle("grants")

    def __init__(self) -> None:
        super().__init__()
        self._folder = tempfile.mkdtemp()
        self.site = TransferSite(Path(self._folder))
        self.known: list[UploadLink | DownloadLink] = []

    def teardown(self) -> None:
        # Purges are begun here and not finished; beside them, fsck has nothing to say.
        purging = {row.id for row in self.site.kept()["rows"] if row.state is AttachmentState.PURGING}
        assert [finding for finding in self.site.findings() if finding.subject_id not in purging] == []
        self.site.close()
        shutil.rmtree(self._folder)

    @property
    def now(self) -> datetime:
        return self.site.clock()

    def check(self, expected: type[BilagaError] | None, ask: Any) -> Any:
        """The outcome is what the model says: that very error, or none."""
        try:
            result = ask()
        except BilagaError as error:
            assert type(error) is expected, (error, expected)
            return None
        assert expected is None, expected
        return result

    # -- what agents do ------------------------------------------------------------------------------------------------
    @rule(target=files)
    def an_agent_sends_a_file(self) -> File:
        return File(self.site.received(bytes(SIZE)).id)

    @rule(target=uploads, hours=st.integers(1, 48), max_files=st.integers(1, 3), max_bytes=st.integers(1, 3 * SIZE))
    def an_upload_link_is_made(self, hours: int, max_files: int, max_bytes: int) -> UploadLink:
        issued = self.site.upload_link(expires_in=f"PT{hours}H", max_files=max_files, max_bytes=max_bytes)
        link = UploadLink(issued, self.now + timedelta(hours=hours), max_files, max_bytes)
        self.known.append(link)
        return link

    @rule(target=downloads, file=files, hours=st.integers(1, 48), most=st.none() | st.integers(1, 3))
    def a_download_link_is_made(self, file: File, hours: int, most: int | None) -> DownloadLink:
        link = DownloadLink(None, file, self.now + timedelta(hours=hours), most)
        link.issued = self.check(
            AlreadyPurged if file.purged else None,
            lambda: self.site.download_link(file.id, expires_in=f"PT{hours}H", max_downloads=most),
        )
        if link.issued is not None:
            self.known.append(link)
        return link

    @rule(link=st.one_of(uploads, downloads))
    def a_link_is_revoked(self, link: UploadLink | DownloadLink) -> None:
        self.revoke(link)

    def revoke(self, link: UploadLink | DownloadLink) -> None:
        if link.issued is not None:
            assert self.site.revoke(link.issued.link.id) is not link.revoked
            link.revoked = True

    @rule(file=files)
    def a_file_is_purged(self, file: File) -> None:
        if not file.purged:
            self.site.change(file.id, state=AttachmentState.PURGING)
            file.purged = True

    @rule(minutes=st.integers(1, 24 * 60))
    def time_goes_by(self, minutes: int) -> None:
        self.site.clock.go(minutes=minutes)

    # -- what requesters and readers do --------------------------------------------------------------------------------
    @rule(link=uploads)
    def the_upload_page_is_looked_at(self, link: UploadLink) -> None:
        self.check(link.why_not(self.now), lambda: self.site.redeem_upload(link.issued.token))

    @rule(link=uploads, size=st.integers(0, 2 * SIZE), declared=st.booleans())
    def a_file_is_sent_by_a_link(self, link: UploadLink, size: int, *, declared: bool) -> None:
        expected = link.why_not(self.now)
        if expected is None and link.bytes + size > link.max_bytes:
            expected = QuotaExceeded
        content = bytes(size)
        received = self.check(
            expected,
            lambda: self.site.receive(content, incoming=self.site.by_link(link.issued.token), declared=declared),
        )
        if received is not None:
            link.files += 1
            link.bytes += size

    @rule(link=uploads)
    def two_files_are_sent_at_once_by_a_link(self, link: UploadLink) -> None:
        expected = link.why_not(self.now)
        if expected is None and link.files + 2 > link.max_files:
            expected = TooMany
        claims: list[Any] = []

        def send() -> Any:
            incoming = self.site.by_link(link.issued.token)
            claims.append(self.site.reception.claim(incoming, "a.txt", 0))
            claims.append(self.site.reception.claim(incoming, "b.txt", 0))
            return self.site.reception.finish([self.site.reception.seal(claim, []) for claim in claims])

        if self.check(expected, send) is not None:
            link.files += 2
        self.site.reception.abandon(claims)

    @rule(link=downloads)
    def the_landing_page_is_looked_at(self, link: DownloadLink) -> None:
        if link.issued is not None:
            page = self.check(
                link.why_not(self.now),
                lambda: self.site.records.read(lambda unit: self.site.redeeming.download_page(unit, link.issued.token)),
            )
            if page is not None and link.max_downloads is not None:
                assert page.downloads_left == link.max_downloads - link.used

    @rule(target=grants, link=downloads)
    def the_button_is_pressed(self, link: DownloadLink) -> GrantModel | None:
        if link.issued is None:
            return None
        taken = self.check(link.why_not(self.now), lambda: self.site.take(link.issued.token))
        if taken is None:
            return None
        link.used += 1
        return GrantModel(taken[1], link, self.now + timedelta(hours=1))

    @rule(grant=grants, delivered=st.integers(0, SIZE))
    def bytes_are_fetched(self, grant: GrantModel | None, delivered: int) -> None:
        if grant is None:
            return
        file = grant.link.file

        def fetch() -> Any:
            known = self.site.records.read(lambda unit: self.site.redeeming.grant(unit, grant.token))
            assert known.budget - known.spent == grant.left
            download = self.site.open(Reading.by_grant(known), file.id)
            content = b"".join(download.chunks())
            download.close(delivered)
            return content

        content = self.check(grant.why_not(self.now), fetch)
        if content is not None:
            assert content == bytes(SIZE)
            grant.left -= delivered

    @rule(grant=grants)
    def the_link_behind_a_grant_is_revoked(self, grant: GrantModel | None) -> None:
        if grant is not None:
            self.revoke(grant.link)

    # -- what is always so ---------------------------------------------------------------------------------------------
    @invariant()
    def counters_are_the_models(self) -> None:
        def look(unit: Any) -> None:
            for link in self.known:
                row = unit.links.get(link.issued.link.id, EVERYTHING)
                assert (row.revoked_at is not None) == link.revoked
                if isinstance(link, DownloadLink):
                    assert row.used == link.used
                else:
                    quota = unit.quotas.get(row.id)
                    assert (quota.used_files, quota.used_bytes) == (link.files, link.bytes)
                    assert (quota.reserved_files, quota.reserved_bytes) == (0, 0)

        self.site.records.read(look)

    @invariant()
    def the_owner_sees_every_link(self) -> None:
        views = self.site.records.read(lambda unit: self.site.listing.of_ticket(unit, AGENT, "T-1"))
        assert {view.link.id for view in views} == {link.issued.link.id for link in self.known}

    @invariant()
    def nothing_is_kept_of_what_was_refused(self) -> None:
        kept = self.site.kept()
        assert {row.blob_id for row in kept["rows"]} == {blob[0] for blob in kept["blobs"]}
        assert all(row.state is not AttachmentState.RECEIVING for row in kept["rows"])


TestLinkLife = pytest.mark.timeout(900)(LinkLife.TestCase)  # what fails is made smaller first, and that takes its time
TestLinkLife.settings = settings(
    max_examples=20, stateful_step_count=25, deadline=None, suppress_health_check=list(HealthCheck)
)
