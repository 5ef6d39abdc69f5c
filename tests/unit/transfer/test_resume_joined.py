"""Concatenations: partial uploads that become one file."""

from __future__ import annotations

import pytest

from domain.errors import BadInput, NotAllowed, NotFound, QuotaExceeded
from domain.upload import UploadKind, UploadState
from tests.transfers import AGENT
from tests.unit.transfer.uploads import Sender, blob_count, findings, key_count, refused, text


def partial(site, content: bytes, link: str, step: int = 1 << 20) -> Sender:
    sender = Sender(site, len(content), link, kind=UploadKind.PARTIAL)
    for at in range(0, len(content), step):
        sender.append(content[at : at + step], at)
    return sender


def join(site, parts, link=None):
    return site.resuming.concatenate(
        parts[0].incoming() if link is None else link.incoming(), "whole.txt", [one.token for one in parts]
    )


@pytest.fixture
def link(site) -> str:
    return site.upload_link(max_bytes=1000).token


def test_parts_become_one_file_in_the_order_that_is_asked_for(site, link):
    keys = key_count(site)
    one, two = partial(site, text(300, 1), link, step=100), partial(site, text(200, 2), link)
    assert one.find().state is UploadState.COMPLETE
    created = join(site, [two, one, two])
    assert (created.upload.state, created.upload.offset) == (UploadState.COMPLETE, 700)
    whole = text(200, 2) + text(300, 1) + text(200, 2)
    assert site.read(AGENT, created.upload.attachment_id) == whole
    assert (blob_count(site), key_count(site)) == (1, keys + 1)
    assert findings(site) == []


def test_a_part_alone_is_no_file(site, link):
    part = partial(site, text(300), link)
    assert site.resuming.assemble_due() == 0
    row = part.row()
    assert row is not None
    assert row.state.value == "receiving"
    assert (row.receipt_id, part.created.receipt_token) == (None, None)


def test_parts_are_taken_once_and_only_when_they_are_complete(site, link):
    one = partial(site, text(100), link)
    open_one = Sender(site, 100, link, kind=UploadKind.PARTIAL)
    whole = Sender(site, 100, link)
    for wrong in (open_one, whole):
        assert isinstance(refused(join, site, [one, wrong]), BadInput)
    assert isinstance(refused(join, site, [one, Sender(site, 1, kind=UploadKind.PARTIAL)]), NotFound)
    assert isinstance(refused(site.resuming.concatenate, one.incoming(), "whole.txt", []), BadInput)
    assert findings(site) == []
    join(site, [one])
    assert isinstance(refused(join, site, [one]), BadInput)
    assert one.find().state is UploadState.JOINED


def test_a_concatenation_takes_no_bytes(site, link):
    one = partial(site, text(100), link)
    token = join(site, [one]).token
    assert isinstance(refused(site.resuming.append, token, one.incoming(), [b"x"], offset=100), NotAllowed)


def test_a_whole_needs_no_more_room_than_its_parts(site, link):
    one = partial(site, text(999), link)
    join(site, [one])
    assert isinstance(refused(Sender, site, 2, link), QuotaExceeded)
    assert findings(site) == []


def test_parts_that_nobody_joins_go_with_their_time(site, link):
    part = partial(site, text(100), link)
    site.clock.go(hours=25)
    assert site.resuming.sweep() == 1
    assert (part.row(), blob_count(site), findings(site)) == (None, 0, [])
