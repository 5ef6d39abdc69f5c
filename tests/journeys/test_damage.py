"""Blobs that are not what was written: nothing wrong is sent, an alarm is raised, nothing is deleted (S-26…S-28)."""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Callable
from http.client import IncompleteRead
from pathlib import Path
from typing import Any

import pytest

from domain.actor import EVERYTHING
from domain.ids import AttachmentId
from tests.corpus.files import FIRST_SEGMENT, SEGMENT, noise
from tests.journeys.service import Answer, Service

API = "/api/v1"
CONTENT = noise(99, FIRST_SEGMENT + SEGMENT + 12_345)
"""Three segments."""
MIB = 1 << 20


class Blob:
    """What a store holds of an attachment, past all our code."""

    def __init__(self, service: Service, attachment: str) -> None:
        with service.site() as site:
            row = site.records.read(lambda unit: unit.attachments.get(AttachmentId(attachment), EVERYTHING))
        self._ground, self._id = service.ground, row.blob_id

    def read(self) -> bytes:
        return self._ground.sealed(self._id)

    def write(self, content: bytes | None) -> None:
        self._ground.put_sealed(self._id, content)


def events(service: Service, kind: str) -> list[dict[str, Any]]:
    from storage import JournalFilter

    with service.site() as site:
        found = site.records.read(lambda unit: unit.journal.find(JournalFilter(kind=kind), before=None, limit=100))
    return [json.loads(entry.body) for entry in found]


def flipped(at: int) -> Callable[[bytes], bytes]:
    return lambda sealed: sealed[:at] + bytes([sealed[at] ^ 1]) + sealed[at + 1 :]


# What is seen before the status line: header, length, commitment, the first and the last wanted segment.
SEEN_AT_ONCE = {
    "a flipped bit in the header's length": flipped(0),
    "a flipped bit in the salt": flipped(5),
    "a flipped bit in the nonce": flipped(38),
    "a flipped bit in the first segment": flipped(1000),
    "a flipped bit in the last segment": flipped(2 * MIB + 100),
    "a flipped bit in the last tag": flipped(-1 % (len(CONTENT) + 40 + 48)),
    "the last byte cut off": lambda sealed: sealed[:-1],
    "the last segment cut off": lambda sealed: sealed[: 2 * MIB],
    "a byte added": lambda sealed: sealed + b"\0",
    "the last segment twice": lambda sealed: sealed + sealed[2 * MIB :],
    "emptied": lambda sealed: b"",
    "the first two segments exchanged": lambda sealed: (
        sealed[:40] + sealed[MIB : 2 * MIB - 40] + sealed[40:MIB] + sealed[2 * MIB - 40 :]
    ),
}


@pytest.fixture(scope="module", autouse=True)
def ticket(service: Service) -> None:
    service.put_ticket("X-1")


@pytest.mark.parametrize("what", SEEN_AT_ONCE)
def test_damage_is_seen_before_the_first_byte(service: Service, what: str) -> None:
    attachment = service.attach("X-1", "a.bin", CONTENT)
    link = service.download_link(attachment)
    blob = Blob(service, attachment)
    damaged = SEEN_AT_ONCE[what](blob.read())
    blob.write(damaged)
    for address in (f"{API}/attachments/{attachment}/content", f"{API}/attachments/{attachment}/content"):
        answer = service.as_("agent").get(address)
        assert (answer.status, answer.problem) == (500, "integrity-failure")
    # Marked: from now on it is refused everywhere, and the evidence stays.
    assert service.as_("agent").get(f"{API}/attachments/{attachment}").json()["state"] == "damaged"
    assert service.anyone.get(f"{link}/content").status == 500
    assert blob.read() == damaged
    assert [one for one in events(service, "integrity.failed") if one["subject"] == attachment]


def test_a_blob_of_another_attachment_is_not_sent(service: Service) -> None:
    one, other = service.attach("X-1", "a.bin", noise(1, 5000)), service.attach("X-1", "b.bin", noise(2, 5000))
    Blob(service, one).write(Blob(service, other).read())
    assert service.as_("agent").get(f"{API}/attachments/{one}/content").problem == "integrity-failure"
    assert service.as_("agent").get(f"{API}/attachments/{other}/content").body == noise(2, 5000)


def test_a_blob_that_is_missing_is_no_404(service: Service) -> None:
    attachment = service.attach("X-1", "a.bin", b"hej")
    Blob(service, attachment).write(None)
    answer = service.as_("agent").get(f"{API}/attachments/{attachment}/content")
    assert (answer.status, answer.problem) == (500, "integrity-failure")


def test_damage_in_the_middle_cuts_the_connection_off(service: Service) -> None:
    attachment = service.attach("X-1", "a.bin", CONTENT)
    blob = Blob(service, attachment)
    blob.write(flipped(MIB + 500)(blob.read()))
    address = f"{API}/attachments/{attachment}/content"
    assert service.as_("agent").get(address, headers={"Range": "bytes=0-99"}).body == CONTENT[:100], "a good segment"
    connection = service.connect()
    connection.request("GET", address, headers={"Authorization": f"Bearer {service.key('agent')}"})
    response = connection.getresponse()
    assert response.status == 200
    with pytest.raises((IncompleteRead, ConnectionResetError)) as cut:
        response.read()
    came = cut.value.partial if isinstance(cut.value, IncompleteRead) else b""
    connection.close()
    assert CONTENT.startswith(came)
    assert len(came) <= FIRST_SEGMENT
    assert service.as_("agent").get(address).problem == "integrity-failure"


@pytest.mark.parametrize("at", [1000, MIB + 500], ids=["seen at once", "seen in the middle"])
def test_a_zip_with_a_damaged_member_is_cut_off(service: Service, at: int) -> None:
    ref = f"X-zip-{at}"
    service.put_ticket(ref)
    service.attach(ref, "good.bin", noise(3, 50_000))
    bad = service.attach(ref, "bad.bin", CONTENT)
    service.attach(ref, "last.bin", noise(4, 50_000))
    blob = Blob(service, bad)
    blob.write(flipped(at)(blob.read()))
    answer: Answer | None = None
    came = b""
    try:
        answer = service.as_("agent").get(f"{API}/tickets/{ref}/attachments.zip")
    except IncompleteRead as cut:
        came = cut.partial
    except ConnectionResetError:
        pass
    if answer is not None:
        assert answer.problem == "integrity-failure", "whole, and yet a member is missing"
    else:
        with pytest.raises(zipfile.BadZipFile):
            zipfile.ZipFile(io.BytesIO(came))


def test_the_damage_is_found_and_named_by_fsck(tmp_path: Path) -> None:
    service = Service(tmp_path).start()
    try:
        service.put_ticket("F-1")
        flip, gone = service.attach("F-1", "a.bin", b"one"), service.attach("F-1", "b.bin", b"two")
        blob = Blob(service, flip)
        blob.write(flipped(45)(blob.read()))
        Blob(service, gone).write(None)
        (service.data / "blobs" / "ab").mkdir(parents=True, exist_ok=True)
        found = service.cli("fsck", "--digests", code=5)
        assert flip in found
        assert gone in found
        before = blob.read()
        service.cli("fsck", "--repair", "--digests", code=5)
        assert blob.read() == before, "the evidence stays"
    finally:
        service.stop()
