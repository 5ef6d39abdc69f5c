"""A ticket's zip: whole, by the same rights as each file, and cut where anything is wrong."""

from __future__ import annotations

import io
import zipfile
from pathlib import PurePosixPath, PureWindowsPath

import pytest

from domain.attachment import AttachmentState
from domain.errors import AlreadyPurged, Damaged, NotAllowed, NotFound, SegmentForged
from tests.transfers import AGENT, AUDITOR, MIB, contact


def unpacked(site, actor=AGENT, ref="T-1") -> dict[str, bytes]:
    archive = site.archiving.open(actor, ref)
    packed = b"".join(archive.chunks())
    archive.close()
    with zipfile.ZipFile(io.BytesIO(packed)) as opened:
        assert opened.testzip() is None
        return {name: opened.read(name) for name in opened.namelist()}


def tamper(site, attachment, offset):
    site.tamper(attachment, lambda blob: blob[:offset] + bytes([blob[offset] ^ 1]) + blob[offset + 1 :])


def test_all_available_files_are_in_it(site):
    big = bytes(range(256)) * (5 * MIB // 256)
    for name, content in (("a.txt", b"one"), ("Räkning 📄.txt", b""), ("big.txt", big)):
        site.receive(content, name)
    assert unpacked(site) == {"a.txt": b"one", "Räkning 📄.txt": b"", "big.txt": big}


def test_files_of_one_name_get_two(site):
    for content in (b"1", b"2", b"3"):
        site.receive(content, "a.txt")
    site.receive(b"4", "A.TXT")
    assert unpacked(site) == {"a.txt": b"1", "a (2).txt": b"2", "a (3).txt": b"3", "A (4).TXT": b"4"}


def test_no_name_leaves_the_folder_it_is_unpacked_in(site):
    for name in ("../../etc/passwd", "/abs", "..", "C:\\x.txt"):
        site.receive(b"x", name)
    names = unpacked(site)
    assert len(names) == 4
    assert all(PurePosixPath(name).name == name == PureWindowsPath(name).name for name in names)
    assert not {".", ".."} & names.keys()


def test_files_that_may_not_be_sent_are_not_in_it(site):
    site.receive(b"kept", "a.txt")
    for state in (AttachmentState.SCANNING, AttachmentState.QUARANTINED, AttachmentState.PURGED):
        attachment = site.received(b"x", f"{state}.txt")
        site.change(attachment.id, state=state)
    site.reception.claim(site.by_agent(), "receiving.txt", 1)
    assert unpacked(site) == {"a.txt": b"kept"}


def test_a_ticket_without_files_gives_an_empty_archive(site):
    assert unpacked(site) == {}


def test_each_member_is_a_download_of_its_own(site):
    one, two = site.received(b"1"), site.received(b"22")
    unpacked(site)
    assert [site.row(row.id).download_count for row in (one, two)] == [1, 1]
    ended = site.events("download.ended")
    assert [(event["subject"], event["facts"]["delivered"]) for event in ended] == [(one.id, 1), (two.id, 2)]


def test_rights_are_those_of_a_single_download(site):
    own = site.put_organisation("own")
    site.put_ticket("T-2", own)
    assert unpacked(site, contact(own), "T-2") == {}
    for actor, ref, error in ((contact(own), "T-1", NotFound), (AGENT, "T-9", NotFound), (AUDITOR, "T-1", NotAllowed)):
        with pytest.raises(error):
            site.archiving.open(actor, ref)


def test_a_file_that_is_known_to_be_damaged_refuses_the_whole(site):
    site.received(b"1")
    site.change(site.received(b"2").id, state=AttachmentState.DAMAGED)
    with pytest.raises(Damaged):
        site.archiving.open(AGENT, "T-1")
    assert site.events("download.started") == []


def test_a_damaged_first_file_is_found_before_anything_is_sent(site):
    tamper(site, site.received(b"12345"), 50)
    with pytest.raises(SegmentForged):
        site.archiving.open(AGENT, "T-1")


@pytest.mark.parametrize("offset", [50, MIB + 5])
def test_a_damaged_later_file_cuts_the_archive(site, offset):
    site.received(b"12345")
    damaged = site.received(bytes(2 * MIB))
    tamper(site, damaged, offset)
    archive = site.archiving.open(AGENT, "T-1")
    packed = b""
    with pytest.raises(SegmentForged):
        for piece in archive.chunks():
            packed += piece
    archive.close()
    assert b"PK\x05\x06" not in packed
    assert site.row(damaged.id).state is AttachmentState.DAMAGED


def test_a_file_purged_meanwhile_cuts_the_archive(site):
    site.received(bytes(3 * MIB))
    second = site.received(b"x")
    archive = site.archiving.open(AGENT, "T-1")
    site.change(second.id, state=AttachmentState.PURGING)
    with pytest.raises(AlreadyPurged):
        list(archive.chunks())
    archive.close()


def test_an_archive_that_is_left_early_says_what_it_had_sent(site):
    attachment = site.received(bytes(5 * MIB))
    archive = site.archiving.open(AGENT, "T-1")
    chunks = archive.chunks()
    next(chunks)
    chunks.close()
    archive.close()
    archive.close()
    (ended,) = site.events("download.ended")
    assert ended["subject"] == attachment.id
    assert ended["facts"]["complete"] is False


def test_the_archive_is_named_after_its_ticket(site):
    site.put_ticket("A/7")
    archive = site.archiving.open(AGENT, "A/7")
    archive.close()
    assert archive.name == "A_7.zip"
