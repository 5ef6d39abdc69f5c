"""Crash table U5 and F1 where several nodes serve: one is killed at each step, and another carries its uploads on."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from tests.crash.test_resumed import BODY, HALF, NAME, TUS, patch
from tests.crash.vault import PATIENCE, Lost, Vault, inside
from tests.faults.shared import SharedSite

pytestmark = [pytest.mark.long, pytest.mark.slow, pytest.mark.timeout(600)]
MOVED = ("offset moved", "finished", "parts removed", "sealed")
"""The steps from which on the last byte is acknowledged. At the last one the dead node has the turn still."""


@pytest.fixture
def site(tmp_path: Path) -> Iterator[SharedSite]:
    with SharedSite(tmp_path, versioned=True) as made:
        made.nodes[0].start()
        yield made


def half_sent(node: Vault, ref: str) -> str:
    """An upload of which a half was sent; its path."""
    node.ticket(ref)
    size = str(len(BODY))
    made = node.bare("POST", f"{node.upload_link(ref)}/files", b"", **TUS, Upload_Length=size, Upload_Metadata=NAME)
    path = urlsplit(made.headers["location"]).path
    assert patch(node, path, BODY[:HALF], 0).status == 204
    return path


def offset_of(node: Vault, upload: str) -> int:
    """Once it is known that its writer is dead: locked until then."""
    until = time.monotonic() + 2 * PATIENCE
    while (answer := node.bare("HEAD", upload, **TUS)).status == 423:
        assert time.monotonic() < until
    assert answer.status == 200
    return int(answer.headers["upload-offset"])


def attached(node: Vault, ref: str) -> str:
    until = time.monotonic() + 2 * PATIENCE
    while not (listed := list(node.listed(ref))):
        assert time.monotonic() < until
        time.sleep(0.2)
    (one,) = listed
    return one


def test_u5_f1_at_whatever_step_a_node_dies_another_goes_on_from_the_last_byte_that_was_acknowledged(site):
    living = site.nodes[0]
    uploads: dict[str, str] = {}
    for step in ("taken", "part sealed", *MOVED):
        ref = step.replace(" ", "-")
        uploads[ref] = half_sent(living, ref)
        dying = site.node()
        dying.start(step)
        with pytest.raises(Lost):
            patch(dying, uploads[ref], BODY[HALF:], HALF)
        dying.dies()
        if step == "offset moved":
            attached(living, ref)  # by the one that lives; else the next to be killed would die of it
    for ref, upload in uploads.items():
        moved = ref.replace("-", " ") in MOVED
        assert offset_of(living, upload) == (len(BODY) if moved else HALF)
        if not moved:
            assert patch(living, upload, BODY[HALF:], HALF).status == 204
    for ref in uploads:
        living.assert_holds(ref, {attached(living, ref): BODY})
    living.stop()
    living.bilaga("fsck", "--digests")
    assert living.audit()["intact"]
    with inside(living) as opened:  # what a running service does a day later
        opened.recovery.delete_orphans(opened.clock())
    assert site.parts() == []
    assert len(site.versions()) == len(uploads)
