"""What a receiving that goes well leaves: whole, sealed, counted once, and told by the log."""

from __future__ import annotations

import hashlib
import random
from concurrent.futures import ThreadPoolExecutor

import pytest

from crypto import sealed_size, token_digest
from domain.attachment import AttachmentState, Scan, Source
from domain.errors import (
    BadInput,
    KeysUnavailable,
    QuotaExceeded,
    RecordsUnavailable,
    TooMany,
)
from storage import Records
from tests.transfers import AGENT, MIB, TransferSite
from transfer import Limits, Reading

SEGMENT = MIB - 16
FIRST = SEGMENT - 40
LENGTHS = [0, 1, 65_535, 65_536, 65_537, FIRST - 1, FIRST, FIRST + 1, FIRST + SEGMENT, FIRST + SEGMENT + 1]


def some_bytes(length: int) -> bytes:
    return random.Random(length).randbytes(length)


@pytest.mark.parametrize("length", LENGTHS)
@pytest.mark.parametrize("declared", [True, False])
def test_what_came_in_goes_out(site, length, declared):
    content = some_bytes(length)
    attachment = site.receive(content, declared=declared).files[0].attachment
    assert attachment == site.row(attachment.id)
    assert site.read(AGENT, attachment.id) == content
    assert attachment.size == length
    assert attachment.sha256 == hashlib.sha256(content).digest()
    assert attachment.sealed_size == sealed_size(length)
    assert site.blobs.digest(attachment.blob_id) == attachment.sealed_sha256


@pytest.mark.parametrize("chunk", [1, 7, 4096, 65_536, MIB, 3 * MIB])
def test_chunks_of_any_size_make_the_same_file(site, chunk):
    content = some_bytes(2 * MIB if chunk >= 4096 else 3000)
    pieces = [content[at : at + chunk] for at in range(0, len(content), chunk)]
    attachment = site.receive(pieces, declared=False).files[0].attachment
    assert attachment.sha256 == hashlib.sha256(content).digest()
    assert site.read(AGENT, attachment.id) == content


def test_a_chunks_memory_may_be_used_again(site):
    content = some_bytes(5 * MIB)
    buffer = bytearray(MIB // 3)

    def chunks():
        for at in range(0, len(content), len(buffer)):
            piece = content[at : at + len(buffer)]
            buffer[: len(piece)] = piece
            yield memoryview(buffer)[: len(piece)]

    attachment = site.receive(chunks(), declared=False).files[0].attachment
    assert attachment.sha256 == hashlib.sha256(content).digest()
    assert site.read(AGENT, attachment.id) == content


def test_the_row_says_what_was_received(site):
    link = site.upload_link(allowed_types=["image/*"])
    site.clock.go(minutes=5)
    attachment = site.receive(b"\x89PNG\r\n", "bild å.png", site.by_link(link.token)).files[0].attachment
    assert attachment.state is AttachmentState.AVAILABLE
    assert attachment.scan is Scan.NONE
    assert attachment.media_type == "image/png"
    assert attachment.source is Source.REQUESTER
    assert attachment.link_id == link.link.id
    assert attachment.ticket_id == site.ticket
    assert attachment.created_at == attachment.available_at == site.clock()
    assert attachment.reserved_bytes == 0


def test_the_name_is_kept_sealed_and_told_in_clear(site):
    received = site.receive(b"x", "../Räkning\u202e.txt")
    assert received.files[0].name == "_Räkning.txt"
    assert "Räkning".encode() not in received.files[0].attachment.name_sealed


def test_an_upload_is_activity_of_its_ticket(site):
    site.clock.go(days=1)
    site.receive(b"x")
    assert site.touches == [(site.ticket, site.clock())]


def test_a_requester_gets_a_receipt_and_an_agent_none(site):
    by_link = site.receive(b"x", incoming=site.by_link(site.upload_link().token))
    kept = site.records.read(lambda unit: unit.receipts.by_digest(token_digest(by_link.receipt_token)))
    assert kept == by_link.receipt
    assert by_link.files[0].attachment.receipt_id == kept.id
    of_receipt = site.records.read(lambda unit: unit.attachments.of_receipt(kept.id))
    assert [row.id for row in of_receipt] == [by_link.files[0].attachment.id]
    by_agent = site.receive(b"x")
    assert by_agent.receipt is None
    assert by_agent.receipt_token is None


def test_quota_is_reserved_before_the_body_and_settled_after_it(site):
    link = site.upload_link(max_files=3, max_bytes=1000)
    claim = site.reception.claim(site.by_link(link.token), "a.txt", 600)
    quota = site.records.read(lambda unit: unit.quotas.get(link.link.id))
    assert (quota.reserved_files, quota.reserved_bytes, quota.used_files) == (1, 600, 0)
    site.reception.finish([site.reception.seal(claim, [b"x" * 600])])
    for owner in (link.link.id, site.ticket):
        quota = site.records.read(lambda unit, owner=owner: unit.quotas.get(owner))
        assert (quota.reserved_files, quota.reserved_bytes, quota.used_files, quota.used_bytes) == (0, 0, 1, 600)


def test_an_undeclared_length_may_take_exactly_what_is_left(site):
    link = site.upload_link(max_bytes=3 * MIB + 5)
    content = some_bytes(3 * MIB + 5)
    pieces = [content[at : at + 100_000] for at in range(0, len(content), 100_000)]
    attachment = site.receive(pieces, incoming=site.by_link(link.token), declared=False).files[0].attachment
    assert attachment.size == len(content)


def test_an_undeclared_length_reserves_in_growing_steps(site):
    link = site.upload_link(max_bytes=1 << 40)
    claim = site.reception.claim(site.by_link(link.token), "a.txt", None)
    seen: list[int] = []

    def chunks():
        for _ in range(20):
            yield bytes(MIB)
            seen.append(site.row(claim.attachment_id).reserved_bytes // MIB)

    sealed = site.reception.seal(claim, chunks())
    assert sorted(set(seen)) == [1, 2, 4, 8, 16, 32]
    assert claim.reserved == 32 * MIB
    site.reception.finish([sealed])
    assert site.records.read(lambda unit: unit.quotas.get(link.link.id)).used_bytes == 20 * MIB


def test_files_of_a_request_are_acknowledged_together(site):
    incoming = site.by_link(site.upload_link().token)
    sealed = []
    for number in range(3):
        claim = site.reception.claim(incoming, f"{number}.txt", 4)
        sealed.append(site.reception.seal(claim, [b"text"]))
    seen = []
    received = site.reception.finish(sealed, then=lambda unit, result: seen.append(result))
    assert [one.name for one in received.files] == ["0.txt", "1.txt", "2.txt"]
    assert {one.attachment.receipt_id for one in received.files} == {received.receipt.id}
    assert seen == [received]


def test_what_goes_wrong_beside_the_last_step_keeps_all_files_back(site):
    incoming = site.by_agent()
    before = site.kept()
    claims = [site.reception.claim(incoming, f"{number}.txt", 4) for number in range(2)]
    sealed = [site.reception.seal(claim, [b"text"]) for claim in claims]

    def refuse(unit, result):
        raise BadInput

    with pytest.raises(BadInput):
        site.reception.finish(sealed, then=refuse)
    site.reception.abandon(claims)
    after = site.kept()
    assert (after["rows"], after["keys"], after["blobs"]) == (before["rows"], before["keys"], before["blobs"])


def test_parallel_uploads_never_pass_a_link(site):
    link = site.upload_link(max_files=5, max_bytes=100)
    incoming = site.by_link(link.token)

    def send(number: int) -> bool:
        try:
            site.receive(b"x" * 15, f"{number}.txt", incoming)
        except (TooMany, QuotaExceeded):
            return False
        return True

    with ThreadPoolExecutor(8) as threads:
        sent = sum(threads.map(send, range(24)))
    assert sent == 5
    quota = site.records.read(lambda unit: unit.quotas.get(link.link.id))
    assert (quota.used_files, quota.used_bytes, quota.reserved_files, quota.reserved_bytes) == (5, 75, 0, 0)
    assert site.findings() == []


def test_events_tell_of_start_and_end(site):
    attachment = site.received(b"hello")
    started, finished = site.events("upload.started", "upload.finished")
    assert started["subject"] == finished["subject"] == attachment.id
    assert finished["facts"]["size"] == 5
    assert finished["facts"]["sealed_sha256"] == attachment.sealed_sha256.hex()
    assert attachment.sha256.hex() not in str(site.events())
    assert "notes" not in str(site.events())


def test_keys_that_cannot_be_reached_refuse_before_the_body(site):
    before = site.kept()
    site.ring.reachable = False
    with pytest.raises(KeysUnavailable):
        site.receive(b"x")
    site.ring.reachable = True
    assert site.kept() == before


class LossyRecords:
    """Records whose next commit's answer is lost; ``committed`` says whether it happened."""

    def __init__(self, records: Records, *, committed: bool) -> None:
        self._records = records
        self._committed = committed
        self.lose = False

    def __getattr__(self, name):
        return getattr(self._records, name)

    def write(self, work):
        if self.lose:
            self.lose = False
            if self._committed:
                self._records.write(work)
            raise RecordsUnavailable
        return self._records.write(work)


@pytest.mark.parametrize("committed", [True, False])
def test_a_lost_answer_to_the_commit_is_looked_up(site, committed):
    lossy = LossyRecords(site.records, committed=committed)
    site.reception._records = lossy
    claim = site.reception.claim(site.by_link(site.upload_link().token), "a.txt", 4)
    sealed = site.reception.seal(claim, [b"text"])
    lossy.lose = True
    if committed:
        received = site.reception.finish([sealed])
        assert received.files[0].attachment == site.row(claim.attachment_id)
        digest = token_digest(received.receipt_token)
        assert site.records.read(lambda unit: unit.receipts.by_digest(digest)) == received.receipt
    else:
        with pytest.raises(RecordsUnavailable):
            site.reception.finish([sealed])
    site.reception.abandon([claim])
    assert len(site.kept()["rows"]) == len(site.kept()["blobs"]) == (1 if committed else 0)


def test_limits_of_a_ticket_hold_for_all_its_senders(tmp_path):
    site = TransferSite(tmp_path, limits=Limits(max_file_size=100, ticket_max_files=2, ticket_max_bytes=150))
    site.receive(b"x" * 100)
    with pytest.raises(QuotaExceeded):
        site.receive(b"x" * 51, incoming=site.by_link(site.upload_link().token))
    site.receive(b"x" * 50)
    with pytest.raises(TooMany):
        site.receive(b"")
    site.close()


def test_a_download_by_a_link_gives_what_was_received(site):
    attachment = site.received(b"hello")
    grant, _ = site.take(site.download_link(attachment.id).token)
    assert site.read(Reading.by_grant(grant), attachment.id) == b"hello"
