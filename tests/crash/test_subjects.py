"""A person's erasure is killed at each of its steps, and the same command goes on with it."""

from __future__ import annotations

import json

import pytest

from domain.event import EventKind
from tests.crash.vault import Vault

SAID = " then ".join
EMAIL = "somebody@example.com"
WAYS = [
    ("claimed",),
    ("key-destroyed", "after unlink"),
    ("finished",),
    ("subject-files", "change records.sqlite-wal"),
    ("subject-ticket", "subject-ticket", "change records.sqlite-wal"),
]
# The steps between, and every one again in tests/unit/subjects, where no process has to die for it.
MORE = [("subject-closed",), ("key-destroyed",), ("read-back", "read-back"), ("subject-files",), ("subject-ticket",)]


class Asked:
    """A site with two tickets of somebody's, two files each but one, and one of another's; nobody serves it."""

    def __init__(self, vault: Vault) -> None:
        self.vault = vault
        vault.start()
        for ref in ("T-1", "T-2"):
            vault.ticket(ref)
        self.files = [vault.send(ref, f"{ref}-{at}.txt", b"theirs" * 999) for ref in ("T-1", "T-2") for at in (1, 2)]
        vault.ticket("T-3", requester={"email": "another@example.com"})
        self.kept = {vault.send("T-3", "kept.txt", b"another's"): b"another's"}
        vault.kill()


@pytest.mark.parametrize(
    "way",
    [*WAYS, *(pytest.param(way, marks=pytest.mark.long) for way in MORE)],
    ids=SAID,
)
def test_an_erasure_killed_at_any_step_is_carried_through_by_the_same_command(
    vault: Vault, way: tuple[str, ...]
) -> None:
    asked = Asked(vault)
    vault.victim("erase", *way)
    report = json.loads(vault.bilaga("subject", "erase", EMAIL, "--json").splitlines()[0])
    assert report["complete"]
    again = json.loads(vault.bilaga("subject", "erase", EMAIL, "--json").splitlines()[0])
    assert (again["found"], again["files"]) == (False, [])
    for file in asked.files:
        assert len(vault.events(EventKind.PURGE_FINISHED, file)) == 1
        assert len(vault.events(EventKind.KEY_DESTROYED, file)) == 1
    assert len({event["subject"] for event in vault.events(EventKind.TICKET_ERASED)}) == 2
    assert len(vault.blobs()) == 1
    vault.assert_sound()
