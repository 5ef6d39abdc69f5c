"""The scrub: the whole stock is looked at in its turn, damage is found and marked, and nothing is deleted."""

from __future__ import annotations

from datetime import timedelta

import pytest

from domain.attachment import AttachmentState
from domain.errors import BlobsUnavailable
from storage.blobs.memory import MemoryBlobStore
from tests.transfers import MIB
from transfer import Scrub

S = AttachmentState
CONTENT = b"a" * (2 * MIB) + b"end"


class Outage(MemoryBlobStore):
    """A store that can be out of reach."""

    out = False

    def open(self, blob_id):
        if self.out:
            raise BlobsUnavailable
        return super().open(blob_id)


def scrub_of(site, every=timedelta(days=30)) -> Scrub:
    return Scrub(site.records, site.blobs, site.keys, site.sending, every=every)


def test_a_sound_stock_stays_as_it_is(site):
    attachments = [site.received(CONTENT), site.received(b""), site.received(b"small")]
    assert scrub_of(site).run() == 0
    assert {site.row(one.id).state for one in attachments} == {S.AVAILABLE}


@pytest.mark.parametrize(
    "change",
    [
        lambda blob: blob[: MIB + 5] + bytes([blob[MIB + 5] ^ 1]) + blob[MIB + 6 :],
        lambda blob: blob[:-1],
        lambda blob: blob + b"x",
        lambda blob: b"",
    ],
    ids=["a bit in the middle", "shorter", "longer", "empty"],
)
def test_damage_in_any_place_is_found_and_the_evidence_kept(site, change):
    sound, bad = site.received(CONTENT), site.received(CONTENT)
    site.tamper(bad, change)
    before = site.sealed(bad)
    assert scrub_of(site).run() == 1
    assert (site.row(sound.id).state, site.row(bad.id).state) == (S.AVAILABLE, S.DAMAGED)
    assert site.sealed(bad) == before
    assert scrub_of(site).run() == 0  # it is marked, and not found again and again


def test_a_missing_blob_is_damage(site):
    bad = site.received(CONTENT)
    site.blobs.delete(bad.blob_id)
    assert scrub_of(site).run() == 1
    assert site.row(bad.id).state is S.DAMAGED


def test_another_genuine_blob_in_its_place_is_damage(site):
    one, other = site.received(CONTENT), site.received(CONTENT)
    site.tamper(one, lambda _: site.sealed(other))
    assert scrub_of(site).run() == 1
    assert site.row(one.id).state is S.DAMAGED


def test_every_attachment_has_its_turn_across_restarts_and_rounds(site):
    attachments = sorted((site.received(b"x") for _ in range(7)), key=lambda one: one.id)
    for one in attachments:
        assert scrub_of(site, timedelta(days=1)).run() == 0  # one a step, by a new object each time
        site.tamper(one, lambda blob: blob[:-1])
    found = sum(scrub_of(site, timedelta(days=1)).run() for _ in range(9))
    assert found == len(attachments)


def test_a_store_out_of_reach_damages_nothing(make_site):
    site = make_site(blobs=Outage())
    attachment = site.received(CONTENT)
    site.blobs.out = True
    assert scrub_of(site).run() == 0
    assert site.row(attachment.id).state is S.AVAILABLE


def test_what_is_purged_meanwhile_is_no_damage(site):
    attachment = site.received(CONTENT)
    site.records.write(lambda unit: site.keys.destroy(unit, attachment.id))
    site.change(attachment.id, state=S.PURGING)
    assert scrub_of(site).run() == 0
    assert site.row(attachment.id).state is S.PURGING


def test_whoever_was_taken_over_from_ends_in_the_middle_of_a_file(site):
    class TakenOver(Exception):
        pass

    site.received(CONTENT)
    rounds: list[int] = []

    def go_on():
        rounds.append(1)
        if len(rounds) == 2:
            raise TakenOver

    scrub = scrub_of(site)
    with pytest.raises(TakenOver):
        scrub.run(go_on)
    assert scrub.run() == 0
