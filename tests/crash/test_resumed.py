"""Crash table U5 and F1: the service is killed in the midst of an append, and while parts become an attachment."""

from __future__ import annotations

import random
import time
from urllib.parse import urlsplit

import pytest

from tests.crash.vault import PATIENCE, Lost, Vault

BODY = random.Random(9).randbytes(2_500_000)
HALF = 1_300_000
TUS = {"Tus_Resumable": "1.0.0"}
NAME = "filename Zi5iaW4="


def begin(vault: Vault) -> str:
    """An upload by a link of ticket T-1, half of it sent; its path."""
    vault.start()
    vault.ticket("T-1")
    path = vault.upload_link("T-1")
    made = vault.bare("POST", f"{path}/files", b"", **TUS, Upload_Length=str(len(BODY)), Upload_Metadata=NAME)
    assert made.status == 201, made
    upload = urlsplit(made.headers["location"]).path
    assert patch(vault, upload, BODY[:HALF], 0).status == 204
    vault.stop()
    return upload


def patch(vault: Vault, upload: str, body: bytes, offset: int):
    content_type = "application/offset+octet-stream"
    return vault.bare("PATCH", upload, body, **TUS, Upload_Offset=str(offset), Content_Type=content_type)


def offset_of(vault: Vault, upload: str) -> int:
    return int(vault.bare("HEAD", upload, **TUS).headers["upload-offset"])


def assert_it_ends_well(vault: Vault, upload: str, offset: int) -> None:
    """From where it stands, to one attachment and nothing beside it."""
    if offset < len(BODY):
        assert patch(vault, upload, BODY[offset:], offset).status == 204
    listed = wait_for_one(vault)
    vault.assert_holds("T-1", {listed: BODY})
    vault.settle(blobs=1)
    vault.stop()
    vault.assert_sound()


def wait_for_one(vault: Vault) -> str:
    until = time.monotonic() + PATIENCE
    while not (listed := list(vault.listed("T-1"))):
        assert time.monotonic() < until
        time.sleep(0.1)
    (one,) = listed
    return one


@pytest.mark.parametrize("step", ["taken", "after write", "before rename_new", "after rename_new", "part sealed"])
def test_u5_an_append_that_was_not_committed_has_not_happened(vault, step):
    upload = begin(vault)
    vault.start(step)
    with pytest.raises(Lost):
        patch(vault, upload, BODY[HALF:], HALF)
    vault.dies()
    vault.start()
    assert offset_of(vault, upload) == HALF
    assert_it_ends_well(vault, upload, HALF)


def test_u5_an_append_that_was_committed_is_kept_though_nobody_was_told(vault):
    upload = begin(vault)
    vault.start("offset moved")
    with pytest.raises(Lost):
        patch(vault, upload, BODY[HALF : HALF + 1000], HALF)
    vault.dies()
    vault.start()
    assert offset_of(vault, upload) == HALF + 1000
    assert_it_ends_well(vault, upload, HALF + 1000)


@pytest.mark.parametrize("step", ["offset moved", "sealed", "finished", "parts removed"])
def test_f1_an_upload_that_was_all_there_becomes_one_attachment(vault, step):
    upload = begin(vault)
    vault.start(step)
    with pytest.raises(Lost):
        patch(vault, upload, BODY[HALF:], HALF)
    vault.dies()
    vault.start()
    assert offset_of(vault, upload) == len(BODY)
    assert_it_ends_well(vault, upload, len(BODY))
