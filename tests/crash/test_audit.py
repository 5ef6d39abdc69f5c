"""Crash table A1: entries that no checkpoint covers yet, and checkpoints that were being made."""

from __future__ import annotations

import pytest

from audit import FileExport
from domain.event import EventKind
from tests.crash.vault import Lost, Vault


def test_a1_entries_past_the_last_checkpoint_are_covered_by_the_next(vault):
    vault.start()
    vault.ticket("T-1")
    vault.bilaga("audit", "export")  # makes a checkpoint
    signed = vault.audit()["signed"]
    vault.stop()
    vault.start("finished")
    with pytest.raises(Lost):
        vault.put("T-1", "f.txt", b"committed")
    vault.dies()
    after = vault.audit()
    assert signed <= after["signed"] < after["entries"]
    (finished,) = vault.events(EventKind.UPLOAD_FINISHED)
    vault.start()
    vault.assert_holds("T-1", {finished["subject"]: b"committed"})
    vault.stop()
    found = vault.audit()
    assert found["intact"]
    assert found["signed"] == found["entries"] > after["entries"]
    vault.assert_sound()


@pytest.mark.parametrize("run", range(3))
def test_a1_a_checkpoint_cut_through_was_made_or_was_not_and_never_covers_more_than_there_is(nest, tmp_path, run):
    vault = Vault(tmp_path, nest, BILAGA_AUDIT_EXPORT=str(tmp_path / "checkpoints"))
    try:
        vault.victim("checkpoint", "opened", "change records.sqlite-wal" if run else "change ../checkpoints")
        found = vault.audit()
        assert found["signed"] in {0, found["entries"]}
        assert _exported(vault) <= found["signed"]
        vault.start()  # recomputes the tree up to what was ever signed, and would say so on its standard error
        vault.stop()
        after = vault.audit()
        assert after["signed"] == after["entries"] == _exported(vault)
        assert "broken" not in vault.service.said()
    finally:
        vault.close()


def _exported(vault: Vault) -> int:
    """The size that the second place's newest note speaks of; 0: there is none."""
    note = FileExport(vault.folder / "checkpoints").last()
    return int(note.split("\n")[1]) if note else 0
