"""Crash table K1 and K2: key-encryption keys rotated, data keys re-wrapped, a generation destroyed; each killed."""

from __future__ import annotations

import pytest

from domain.event import EventKind
from tests.crash.vault import Vault, inside

SAID = " then ".join
# The key file's end: the new one written but not named, named but the folder not synced, and somewhere after that.
REPLACED = [("opened", "os.rename"), ("opened", "os.rename", "open"), ("opened", "change bilaga.key")]
BODIES = {f"{number}.txt": f"file {number}\n".encode() * 100 for number in range(5)}


@pytest.fixture
def filled(vault: Vault) -> tuple[Vault, dict[str, bytes]]:
    """A site with a few files, so with a few wrapped keys."""
    vault.start()
    vault.ticket("T-1")
    files = {vault.send("T-1", name, body): body for name, body in BODIES.items()}
    vault.stop()
    return vault, files


def generations(vault: Vault) -> dict[int, tuple[str, int]]:
    """State and number of wrapped keys by generation."""
    rows = [line.split() for line in vault.bilaga("keys", "list").splitlines()]
    return {int(row[0]): (row[1], int(row[4])) for row in rows}


def assert_readable(vault: Vault, files: dict[str, bytes]) -> None:
    vault.start()
    vault.assert_holds("T-1", files)
    vault.stop()
    vault.assert_sound()


@pytest.mark.parametrize("way", [*REPLACED, ("rotated",)], ids=SAID)
def test_k2_a_generation_made_and_not_written_down_is_found_and_used(filled, way):
    vault, files = filled
    vault.victim("rotate", *way)
    assert len(generations(vault)) in {1, 2}
    assert_readable(vault, files)
    vault.bilaga("keys", "rotate")
    last = max(generations(vault))
    made = vault.events(EventKind.KEY_ROTATED)
    assert sorted(one["facts"]["generation"] for one in made) == list(range(2, last + 1))
    assert not list(vault.data.glob(".bilaga.key.*"))
    assert_readable(vault, files)


@pytest.mark.parametrize(
    "way",
    [
        ("rewrapped",),
        ("rewrapped", "rewrapped"),
        ("opened", "change records.sqlite-wal"),
        ("rewrapped", "change records.sqlite-wal"),
    ],
    ids=SAID,
)
def test_k1_a_rewrapping_that_is_killed_leaves_every_key_under_one_generation_and_goes_on(filled, way):
    vault, files = filled
    vault.bilaga("keys", "rotate")
    before = sum(count for _, count in generations(vault).values())
    vault.victim("rewrap", *way)
    found = generations(vault)
    assert sum(count for _, count in found.values()) == before
    if found[1][1]:
        vault.bilaga("keys", "destroy", "1", "--force", code=1)  # refused: it still wraps some
    assert_readable(vault, files)
    vault.bilaga("keys", "rewrap")
    assert generations(vault) == {1: ("retired", 0), 2: ("active", before)}
    assert_readable(vault, files)


@pytest.mark.parametrize("way", [*REPLACED, ("destroyed",)], ids=SAID)
def test_k1_a_destruction_that_is_killed_happened_or_did_not_and_is_written_down_in_the_end(filled, way):
    vault, files = filled
    vault.bilaga("keys", "rotate")
    vault.bilaga("keys", "rewrap")
    vault.victim("destroy", *way)
    assert_readable(vault, files)
    vault.bilaga("keys", "destroy", "1", "--force")
    assert generations(vault)[1][0] == "destroyed"
    with inside(vault) as site:
        site.rotation.tick()  # what the service does within its first seconds
    destroyed = [one for one in vault.events(EventKind.KEY_DESTROYED) if one["subject"] == "generation-1"]
    assert len(destroyed) == 1
    assert not list(vault.data.glob(".bilaga.key.*"))
    assert_readable(vault, files)
