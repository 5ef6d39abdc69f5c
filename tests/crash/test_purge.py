"""Crash table P1 to P3: a purge is killed in its midst, and carried through by whoever comes next."""

from __future__ import annotations

import pytest

from domain.event import EventKind
from tests.crash.vault import Lost, Vault

SAID = " then ".join
KEPT, DUE = b"this stays\n" * 50, b"this goes\n" * 100_000
P1 = [("claimed",), ("claimed", "change records.sqlite-wal")]
P2 = [("key-destroyed",), ("key-destroyed", "before unlink")]
P3 = [
    ("key-destroyed", "after unlink", "after unlink"),
    ("key-destroyed", "before sync_folder"),
    ("blob-removed",),
    ("read-back",),
    ("read-back", "read-back", "read-back", "change records.sqlite-wal"),
]
AFTER = [("finished",)]


class Aged:
    """A site with one file that stays and three that are due."""

    def __init__(self, vault: Vault) -> None:
        self.vault = vault
        vault.start()
        vault.ticket("T-1")
        vault.ticket("T-2")
        self.kept = {vault.send("T-1", "kept.txt", KEPT): KEPT}
        self.due = [vault.send("T-2", f"due-{number}.txt", DUE) for number in range(3)]
        vault.stop()
        # Only now: a service purges by itself, soon after it started.
        vault.bilaga("ticket", "put", "T-2", "--status", "closed", "--last-activity", "2020-01-02T03:04:05Z")

    def assert_purged(self) -> None:
        """Served again: every one of them is gone, each with one certificate, and only them."""
        vault = self.vault
        vault.assert_holds("T-1", self.kept)
        vault.assert_gone(*self.due)
        listed = vault.listed("T-2")
        assert [listed[one]["state"] for one in self.due] == ["purged"] * 3
        certificates = [listed[one]["certificate"] for one in self.due]
        for certificate in certificates:
            assert vault.ask("GET", f"/certificates/{certificate}", key=vault.admin).status == 200
        vault.settle(blobs=1)
        vault.stop()
        for one in self.due:
            (finished,) = vault.events(EventKind.PURGE_FINISHED, one)
            assert finished["facts"]["certificate_id"] in certificates
            assert len(vault.events(EventKind.PURGE_STARTED, one)) == 1
            assert len(vault.events(EventKind.KEY_DESTROYED, one)) == 1
        vault.assert_sound()


@pytest.fixture
def aged(vault: Vault) -> Aged:
    return Aged(vault)


def serve_and_look(aged: Aged) -> None:
    """The service's own recovery has carried everything through before it answers anybody."""
    aged.vault.start()
    aged.assert_purged()


@pytest.mark.parametrize("way", P1, ids=SAID)
def test_p1_a_purge_killed_when_it_had_claimed_is_finished_by_the_start(aged, way):
    aged.vault.victim("purge", *way)
    serve_and_look(aged)


@pytest.mark.parametrize("way", P2, ids=SAID)
def test_p2_a_purge_killed_when_the_keys_were_destroyed_is_finished_by_the_start(aged, way):
    aged.vault.victim("purge", *way)
    assert len(aged.vault.blobs()) == 4
    serve_and_look(aged)


@pytest.mark.parametrize("way", P3, ids=SAID)
def test_p3_a_purge_killed_when_a_blob_was_removed_is_finished_by_the_start(aged, way):
    aged.vault.victim("purge", *way)
    assert len(aged.vault.blobs()) < 4 or way[-1] == "before sync_folder"
    serve_and_look(aged)


def test_p3_a_blob_that_comes_back_with_the_power_is_removed_again(aged):
    gone = {path: path.read_bytes() for path in aged.vault.blobs()}
    aged.vault.victim("purge", "read-back", "read-back", "read-back")
    for path, body in gone.items():  # the unlink was not durable
        path.write_bytes(body)
    serve_and_look(aged)


@pytest.mark.parametrize("way", AFTER, ids=SAID)
def test_p3_a_purge_killed_when_it_was_through_is_not_done_twice(aged, way):
    aged.vault.victim("purge", *way)
    serve_and_look(aged)


def test_p2_a_killed_purge_is_finished_by_the_next_command_too(aged):
    vault = aged.vault
    vault.victim("purge", *P2[0])
    vault.bilaga("purge")  # waits for the dead one's lease
    vault.bilaga("fsck", "--digests")
    serve_and_look(aged)


@pytest.mark.parametrize("way", [P1[0], P2[0], P3[1], P3[2], P3[3], AFTER[0]], ids=SAID)
def test_p1_to_p3_an_erasure_asked_for_over_http_is_carried_through_when_nobody_hears_the_answer(aged, way):
    vault, (name,) = aged.vault, aged.kept
    vault.start(*way)
    with pytest.raises(Lost):
        vault.ask("DELETE", f"/attachments/{name}", key=vault.admin)
    vault.dies()
    vault.start()
    vault.assert_holds("T-1", {})
    vault.assert_gone(name)
    assert vault.ask("DELETE", f"/attachments/{name}", key=vault.admin).status == 410
    vault.bilaga("purge")
    vault.settle(blobs=0)
    vault.stop()
    assert len(vault.events(EventKind.PURGE_FINISHED, name)) == 1
    vault.assert_sound()


def test_s5_a_hold_that_was_acknowledged_outlives_the_crash_and_keeps_what_is_due(vault):
    vault.start()
    vault.ticket("T-1")
    files = {vault.send("T-1", "evidence.txt", KEPT): KEPT}
    assert vault.ask("PUT", "/tickets/T-1/hold", {"reason": "a dispute"}, key=vault.admin).status in {200, 201}
    vault.kill()
    vault.start()
    vault.age("T-1")
    vault.bilaga("purge")
    vault.assert_holds("T-1", files)
    vault.stop()
    vault.assert_sound()


def test_p1_a_service_killed_in_its_own_run_finishes_what_it_began(aged):
    vault = aged.vault
    vault.start("key-destroyed", "after unlink")
    vault.dies()  # its first run comes by itself
    serve_and_look(aged)


@pytest.mark.parametrize(
    "way", [("key-destroyed",), ("blob-removed",), ("read-back", "read-back", "read-back")], ids=SAID
)
def test_p1_to_p3_a_recovery_that_is_killed_is_done_by_the_next(aged, way):
    aged.vault.victim("purge", "claimed")
    assert aged.vault.spawn("serve", *way).wait() == -9
    serve_and_look(aged)
