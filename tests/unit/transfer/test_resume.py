from __future__ import annotations

import hashlib
import zlib
from datetime import timedelta

import pytest

from domain.actor import EVERYTHING
from domain.attachment import AttachmentState, Scan
from domain.errors import (
    BadInput,
    ChecksumMismatch,
    ContentMismatch,
    Gone,
    IncompleteBody,
    Infected,
    LinkRevoked,
    NotFound,
    OffsetConflict,
    QuotaExceeded,
    TooLarge,
    TypeNotAllowed,
)
from domain.upload import Checksum, UploadState
from tests.transfers import AGENT
from tests.unit.transfer.uploads import SEGMENT, Sender, blob_count, cut, findings, key_count, pieces, refused, text
from transfer import Limits
from transfer.scanner import Verdict

BIG = text(3 * SEGMENT + 17)


def test_a_file_in_one_piece_is_sealed_as_it_comes_and_once(site):
    sender = Sender(site, len(BIG))
    upload = sender.append(BIG, 0)
    assert (upload.state, upload.offset) == (UploadState.COMPLETE, len(BIG))
    row = sender.attachment()
    assert site.read(AGENT, row.id) == BIG
    assert (row.sha256, row.size) == (hashlib.sha256(BIG).digest(), len(BIG))
    assert blob_count(site) == 1
    assert findings(site) == []


@pytest.mark.parametrize("at", [0, 1, 1000, SEGMENT - 100, SEGMENT, 2 * SEGMENT, len(BIG) - 1])
def test_what_came_before_a_cut_is_kept_to_the_byte(site, at):
    sender = Sender(site, len(BIG))
    assert isinstance(refused(sender.append, cut(BIG[:at]), 0, size=len(BIG)), IncompleteBody)
    assert sender.find().offset == at
    assert findings(site) == []
    assert sender.append(BIG[at:], at).state is UploadState.COMPLETE
    assert site.read(AGENT, sender.attachment().id) == BIG
    assert blob_count(site) == 1
    assert findings(site) == []


def test_a_file_in_many_pieces_some_cut_is_whole_at_the_end_and_nothing_else_is_left(site):
    sender = Sender(site, len(BIG))
    before = key_count(site)
    offset = 0
    while offset < len(BIG):
        piece = BIG[offset : offset + 400_000]
        if offset == 400_000:
            refused(sender.append, cut(piece), offset, size=len(BIG) - offset)
        else:
            sender.append(piece, offset)
        assert sender.find().offset == offset + len(piece)
        offset += len(piece)
    assert site.read(AGENT, sender.attachment().id) == BIG
    assert blob_count(site) == 1
    assert key_count(site) == before - 1
    assert findings(site) == []


def test_an_empty_file_is_complete_at_once(site):
    sender = Sender(site, 0)
    assert sender.created.upload.state is UploadState.COMPLETE
    assert site.read(AGENT, sender.attachment().id) == b""


def test_a_wrong_offset_is_told_the_right_one_and_changes_nothing(site):
    sender = Sender(site, 100)
    sender.append(b"a" * 40, 0)
    for wrong in (0, 39, 41, 100):
        error = refused(sender.append, b"b" * 10, wrong)
        assert isinstance(error, OffsetConflict)
        assert error.facts == {"offset": 40}
    assert sender.find().offset == 40


def test_not_a_byte_beyond_the_length_is_kept(site):
    sender = Sender(site, 100)
    sender.append(b"a" * 40, 0)
    assert isinstance(refused(sender.append, b"b" * 61, 40), TooLarge)
    assert isinstance(refused(sender.append, iter([b"b" * 50, b"c" * 50]), 40, size=None), TooLarge)
    assert sender.find().offset == 40
    sender.append(b"b" * 60, 40)
    assert isinstance(refused(sender.append, b"c", 100), TooLarge)
    assert sender.append(b"", 100).state is UploadState.COMPLETE


def test_a_length_may_come_later_and_once(site):
    sender = Sender(site, None)
    assert sender.append(b"a" * 40, 0).length is None
    assert isinstance(refused(sender.append, b"", 40, length=39), BadInput)
    assert sender.append(b"b" * 10, 40, length=60).length == 60
    assert isinstance(refused(sender.append, b"", 50, length=61), BadInput)
    assert findings(site) == []
    assert sender.append(b"c" * 10, 50, length=60).state is UploadState.COMPLETE
    assert site.read(AGENT, sender.attachment().id) == b"a" * 40 + b"b" * 10 + b"c" * 10
    assert findings(site) == []


def test_an_empty_append_that_tells_the_length_completes(site):
    sender = Sender(site, None)
    sender.append(b"a" * 40, 0)
    assert sender.append(b"", 40, length=40).state is UploadState.COMPLETE


@pytest.mark.parametrize("size", [None, 20])
def test_whoever_says_that_it_is_complete_need_not_know_the_length(site, size):
    sender = Sender(site, None)
    sender.append(b"a" * 40, 0)
    assert sender.append(iter([b"b" * 20]), 40, size=size, complete=True).state is UploadState.COMPLETE
    assert sender.attachment().size == 60
    assert findings(site) == []


def test_a_cut_completes_nothing(site):
    sender = Sender(site, None)
    refused(sender.append, cut(b"a" * 40), 0, complete=True)
    upload = sender.find()
    assert (upload.offset, upload.length, upload.state) == (40, None, UploadState.OPEN)


@pytest.mark.parametrize(
    ("algorithm", "digest"),
    [
        ("sha1", hashlib.sha1(b"a" * 40).digest()),
        ("sha256", hashlib.sha256(b"a" * 40).digest()),
        ("sha512", hashlib.sha512(b"a" * 40).digest()),
        ("crc32", zlib.crc32(b"a" * 40).to_bytes(4, "big")),
    ],
)
def test_a_checksum_of_an_append_is_compared_before_it_counts(site, algorithm, digest):
    sender = Sender(site, 100)
    wrong = Checksum(algorithm, digest[:-1] + bytes([digest[-1] ^ 1]))
    assert isinstance(refused(sender.append, b"a" * 40, 0, checksum=wrong), ChecksumMismatch)
    assert isinstance(
        refused(sender.append, cut(b"a" * 40), 0, size=100, checksum=Checksum(algorithm, digest)), IncompleteBody
    )
    assert (sender.find().offset, blob_count(site)) == (0, 0)
    assert sender.append(b"a" * 40, 0, checksum=Checksum(algorithm, digest)).offset == 40


def test_a_checksum_in_the_wrong_form_is_refused_before_the_body(site):
    sender = Sender(site, 100)
    assert isinstance(refused(sender.append, b"a", 0, checksum=Checksum("md5", b"x" * 16)), BadInput)
    assert isinstance(refused(sender.append, b"a", 0, checksum=Checksum("sha1", b"x" * 19)), BadInput)


@pytest.mark.parametrize("step", [100, 60])
def test_a_file_that_is_not_what_was_announced_is_no_attachment(site, step):
    content = text(100)
    sender = Sender(site, 100, repr_digest=Checksum("sha256", hashlib.sha256(b"other").digest()))
    for at in range(0, 100, step):
        last = content[at : at + step]
        if at + len(last) < 100:
            sender.append(last, at)
        else:
            assert isinstance(refused(sender.append, last, at), ChecksumMismatch)
    error = refused(sender.find)
    assert isinstance(error, Gone)
    assert error.facts == {"reason": "checksum-mismatch"}
    assert (sender.row(), blob_count(site)) == (None, 0)
    assert findings(site) == []


def test_a_file_that_is_what_was_announced_passes(site):
    content = text(100)
    sender = Sender(site, 100, repr_digest=Checksum("sha512", hashlib.sha512(content).digest()))
    sender.append(content[:60], 0)
    assert sender.append(content[60:], 60).state is UploadState.COMPLETE


def test_room_is_taken_at_the_beginning_and_given_back_at_the_end(site):
    link = site.upload_link(max_bytes=150).token
    sender = Sender(site, 100, link)
    assert isinstance(refused(Sender, site, 60, link), QuotaExceeded)
    sender.cancel()
    assert (sender.row(), blob_count(site)) == (None, 0)
    assert isinstance(refused(sender.find), NotFound)
    Sender(site, 60, link)
    assert findings(site) == []


def test_a_deferred_length_takes_room_as_it_goes(site):
    sender = Sender(site, None, site.upload_link(max_bytes=150).token)
    sender.append(b"a" * 100, 0)
    assert isinstance(refused(sender.append, b"a" * 51, 100), QuotaExceeded)
    assert sender.find().offset == 100
    assert sender.append(b"a" * 50, 100, complete=True).state is UploadState.COMPLETE


def test_no_more_than_the_site_takes(make_site):
    site = make_site(limits=Limits(max_file_size=100))
    assert isinstance(refused(Sender, site, 101), TooLarge)
    sender = Sender(site, None)
    assert isinstance(refused(sender.append, b"a" * 101, 0), TooLarge)
    assert isinstance(refused(sender.append, pieces(b"a" * 101), 0), TooLarge)
    assert isinstance(refused(sender.append, b"", 0, length=101), TooLarge)
    assert sender.find().offset == 0


def test_a_type_that_is_not_taken_is_refused_by_its_name_and_later_by_its_head(site):
    assert isinstance(refused(Sender, site, 10, name="run.exe"), TypeNotAllowed)
    link = site.upload_link(allowed_types=("text/plain",)).token
    sender = Sender(site, 3 * SEGMENT, link)
    content = b"\x89PNG" + bytes(SEGMENT)
    assert isinstance(refused(sender.append, content, 0), ContentMismatch)
    assert isinstance(refused(sender.find), Gone)
    assert (sender.row(), blob_count(site)) == (None, 0)


def test_a_link_that_ends_in_the_midst_ends_the_upload(site):
    sender = Sender(site, 100)
    sender.append(b"a" * 40, 0)
    incoming = sender.incoming()

    def end():
        yield b"b" * 10
        site.revoke(incoming.link.id)
        yield b"b" * 10

    error = refused(site.resuming.append, sender.token, incoming, end(), offset=40, size=60)
    assert isinstance(error, LinkRevoked)
    assert (sender.row(), blob_count(site)) == (None, 0)
    assert isinstance(refused(site.resuming.find, sender.token, incoming), NotFound)
    assert findings(site) == []


@pytest.mark.parametrize("call", ["find", "append", "sweep"])
def test_a_link_that_ended_leaves_nothing_of_its_uploads(site, call):
    sender = Sender(site, 100)
    sender.append(b"a" * 40, 0)
    incoming = sender.incoming()
    site.revoke(incoming.link.id)
    if call == "find":
        assert isinstance(refused(site.resuming.find, sender.token, incoming), LinkRevoked)
    elif call == "append":
        assert isinstance(refused(site.resuming.append, sender.token, incoming, [b"b"], offset=40), LinkRevoked)
    else:
        assert site.resuming.sweep() == 1
    assert (sender.row(), blob_count(site), findings(site)) == (None, 0, [])


def test_another_links_upload_is_not_there(site):
    sender, other = Sender(site, 100), Sender(site, 100)
    for token in (other.token, "f" + "A" * 43, "nonsense"):
        assert isinstance(refused(site.resuming.find, token, sender.incoming()), NotFound)
        assert isinstance(refused(site.resuming.append, token, sender.incoming(), [b"b"], offset=0), NotFound)
        assert isinstance(refused(site.resuming.cancel, token, sender.incoming()), NotFound)


def test_a_day_after_its_last_progress_nothing_is_left(site):
    sender = Sender(site, 100, site.upload_link(expires_in="P20D").token)
    site.clock.go(hours=23)
    assert sender.append(b"a" * 40, 0).expires_at == site.clock() + timedelta(hours=24)
    site.clock.go(hours=23, minutes=59)
    assert site.resuming.sweep() == 0
    assert sender.find().offset == 40
    site.clock.go(minutes=2)
    assert site.resuming.sweep() == 1
    assert (sender.row(), blob_count(site), findings(site)) == (None, 0, [])


def test_an_upload_that_is_asked_for_too_late_ends_without_the_sweep(site):
    sender = Sender(site, 100, site.upload_link(expires_in="P20D").token)
    sender.append(b"a" * 40, 0)
    site.clock.go(hours=25)
    assert isinstance(refused(sender.find), Gone)
    assert (sender.row(), blob_count(site)) == (None, 0)


def test_of_a_complete_upload_only_the_way_to_it_ends(site):
    sender = Sender(site, 5)
    sender.append(b"hello", 0)
    sender.cancel()
    assert isinstance(refused(sender.find), NotFound)
    assert site.read(AGENT, sender.attachment().id) == b"hello"


def test_what_its_sender_takes_back_on_the_way_is_gone_and_never_an_attachment(site):
    sender = Sender(site, 100)
    sender.append(b"a" * 40, 0)
    attachment_id = sender.created.upload.attachment_id
    assert site.resuming.take_back(attachment_id)
    assert (sender.row(), blob_count(site), findings(site)) == (None, 0, [])
    assert isinstance(refused(sender.find), NotFound)
    assert site.events("upload.refused")[-1]["facts"]["code"] == "withdrawn"
    assert not site.resuming.take_back(attachment_id)
    done = Sender(site, 5)
    done.append(b"hello", 0)
    assert not site.resuming.take_back(done.attachment().id), "a purge is what takes that back"
    assert site.read(AGENT, done.attachment().id) == b"hello"


def test_files_of_a_sitting_come_to_one_receipt_from_the_beginning(site):
    first = Sender(site, 5)
    assert first.created.receipt_token is not None
    second = Sender(site, 5, first.link, receipt=first.created.receipt_token)
    assert second.created.receipt_token is None
    receipt = first.created.upload.receipt_id
    assert second.created.upload.receipt_id == receipt
    under_way = site.records.read(lambda unit: unit.uploads_found.of_receipt(receipt))
    assert [one.id for one in under_way] == [first.created.upload.id, second.created.upload.id]
    first.append(b"hello", 0)
    second.append(b"he", 0)
    second.append(b"llo", 2)
    done = site.records.read(lambda unit: list(unit.attachments.of_receipt(receipt)))
    assert [row.id for row in done] == [first.created.upload.attachment_id, second.created.upload.attachment_id]


def test_a_receipt_of_another_link_is_refused(site):
    first = Sender(site, 5)
    for receipt in (first.created.receipt_token, "r" + "A" * 43, "nonsense"):
        error = refused(Sender, site, 5, None, receipt=receipt)
        assert isinstance(error, BadInput)
        assert error.field == "receipt"


def test_the_metadata_is_given_back_and_lies_sealed(site):
    sender = Sender(site, 5, metadata="filename bm90ZXMudHh0,flag")
    assert site.resuming.metadata(sender.find()) == "filename bm90ZXMudHh0,flag"
    assert b"bm90ZXMudHh0" not in (sender.find().metadata_sealed or b"")
    sender.append(b"hello", 0)
    assert site.resuming.metadata(sender.find()) == "filename bm90ZXMudHh0,flag"
    assert site.resuming.metadata(Sender(site, 5).find()) is None


def test_a_part_is_no_attachment_and_no_recovery_takes_it(site):
    sender = Sender(site, 100)
    sender.append(text(40), 0)
    assert site.recovery.at_start() == 0
    assert site.recovery.delete_orphans(site.clock() + timedelta(days=1)) == 0
    assert site.records.read(lambda unit: list(unit.attachments.of_ticket(site.ticket, EVERYTHING))) == []
    row = sender.row()
    assert row is not None
    assert row.state is AttachmentState.RECEIVING


class FindsMalware:
    """A scanner for which everything is infected."""

    def ping(self) -> None:
        pass

    def begin(self):
        return self

    def feed(self, chunk) -> None:
        pass

    def verdict(self):
        return Verdict(Scan.INFECTED, "engine", "Eicar")

    def abort(self) -> None:
        pass


@pytest.mark.parametrize("step", [100, 60])
def test_malware_is_found_in_one_piece_or_many(make_site, step):
    site = make_site(scanner=FindsMalware())
    sender, content = Sender(site, 100), text(100)
    for at in range(0, 100, step):
        last = at + step >= 100
        error = refused(sender.append, content[at : at + step], at) if last else sender.append(content[at:step], at)
        assert isinstance(error, Infected) is last
    gone = refused(sender.find)
    assert isinstance(gone, Gone)
    assert gone.facts == {"reason": "infected"}
    assert (sender.row(), blob_count(site), findings(site)) == (None, 0, [])
