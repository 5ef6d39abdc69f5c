"""The log numbers without a gap, signs what is there, and signs nothing any more once it was changed."""

from __future__ import annotations

import json
import sqlite3
from typing import Any

import pytest

from audit import FileExport, kept_checkpoints, kept_entries, verify, verify_export, write_export
from crypto import open_note
from domain.actor import SYSTEM, Actor, Role
from domain.errors import BadInput, ChainBroken, RestoreNeeded
from domain.event import Event, EventKind
from domain.ids import PrincipalId
from tests.small_site import MemoryExport, SmallSite

STARTED = Event(EventKind.SERVICE_STARTED, SYSTEM, None, {"workers": 1})


@pytest.fixture
def site(tmp_path):
    site = SmallSite(tmp_path, MemoryExport())
    yield site
    site.close()


def write(site, count=1, event=STARTED):
    return [site.records.write(lambda unit: site.log.append(unit, event)) for _ in range(count)]


def report(site):
    return verify(kept_entries(site.records), kept_checkpoints(site.records), site.log.public_key)


past_us = pytest.mark.embedded("changes rows past all our code, in SQLite's words")


def tamper(site, tmp_path, *statements):
    """As an administrator of the database would, past all our code."""
    with sqlite3.connect(tmp_path / "records.sqlite") as database:
        for (trigger,) in database.execute("select name from sqlite_master where type='trigger'").fetchall():
            database.execute(f'drop trigger "{trigger}"')
        for statement, *values in statements:
            database.execute(statement, values)
    database.close()


def forged(site, index, kind="hold.released"):
    """An entry rewritten together with its hash: everything that can be changed beside it."""
    from audit.tree import leaf_hash

    body = site.records.read(lambda unit: unit.journal.entries(index, 1))[0].body
    body = body.replace(b'"service.started"', f'"{kind}"'.encode())
    return body, leaf_hash(body), kind, index


def test_entries_are_canonical_json_with_an_index_and_a_utc_time(site):
    actor = Actor(Role.ADMIN, PrincipalId("p-1"))
    assert write(site, 2) == [0, 1]
    write(site, 1, Event(EventKind.HOLD_PLACED, actor, "t-1", {"b": 1, "a": None}))
    body = site.records.read(lambda unit: unit.journal.entries(2, 1))[0].body
    assert body == (
        b'{"actor":{"principal_id":"p-1","role":"admin"},"at":"2026-11-24T11:00:00Z","facts":{"a":null,"b":1},'
        b'"index":2,"kind":"hold.placed","subject":"t-1"}'
    )


def test_an_entry_too_long_for_the_format_is_never_written(site):
    with pytest.raises(ValueError, match="too long"):
        write(site, 1, Event(EventKind.SERVICE_STARTED, SYSTEM, None, {"x": "y" * 65_535}))
    assert site.records.read(lambda unit: unit.journal.size()) == 0


def test_an_effect_that_fails_takes_its_entry_with_it(site):
    def fails(unit):
        site.log.append(unit, STARTED)
        raise RuntimeError("the effect")

    with pytest.raises(RuntimeError):
        site.records.write(fails)
    assert write(site) == [0]


def test_a_checkpoint_is_a_signed_note_over_origin_size_and_root(site):
    write(site, 3)
    made = site.log.checkpoint(site.records)
    text = open_note(made.note, site.log.public_key)
    origin, size, _root, rest = text.split("\n")
    assert (origin, size, rest) == (f"bilaga/{site.ring.installation}", "3", "")
    assert made.root == report(site).root


def test_a_checkpoint_is_due_after_so_many_entries_or_so_long(site):
    due = lambda: site.records.read(lambda unit: site.log.due(unit, every=3))  # noqa: E731
    assert not due()
    write(site)
    assert due()
    site.log.checkpoint(site.records)
    assert not due()
    write(site, 2)
    assert not due()
    write(site)
    assert due()
    site.log.checkpoint(site.records)
    write(site)
    site.clock.go(seconds=60)
    assert due()


def test_nothing_new_is_signed_where_nothing_came(site):
    assert site.log.checkpoint(site.records) is None
    write(site)
    assert site.log.checkpoint(site.records) is not None
    assert site.log.checkpoint(site.records) is None


def test_checkpoints_go_on_from_one_another_over_many_pages(site):
    def many(unit):
        for _ in range(2500):
            site.log.append(unit, STARTED)

    site.records.write(many)
    site.log.checkpoint(site.records)
    write(site, 7)
    site.log.checkpoint(site.records)
    found = report(site)
    assert (found.intact, found.entries, found.signed, found.checkpoints) == (True, 2507, 2507, 2)
    site.log.check_start(site.records)


def test_a_checkpoint_is_kept_first_and_then_exported_once(site, tmp_path):
    export = site.export
    export.full = True
    write(site)
    made = site.log.checkpoint(site.records)
    assert export.kept == []
    export.full = False
    assert site.log.checkpoint(site.records) is None
    assert export.kept == [made.note]
    site.log.checkpoint(site.records)
    assert export.kept == [made.note]


@past_us
def test_an_older_database_is_known_by_the_second_place_and_signs_nothing(site, tmp_path):
    write(site, 3)
    site.log.checkpoint(site.records)
    tamper(site, tmp_path, ("delete from journal_entries where position = 2",), ("delete from journal_checkpoints",))
    with pytest.raises(RestoreNeeded):
        site.log.check_start(site.records)
    write(site, 5)
    with pytest.raises(RestoreNeeded):
        site.log.checkpoint(site.records)


@past_us
def test_a_changed_entry_stops_the_signing_at_start(site, tmp_path):
    write(site, 3)
    site.log.checkpoint(site.records)
    statement = "update journal_entries set body=?, leaf=?, kind=? where position=?"
    tamper(site, tmp_path, (statement, *forged(site, 1)))
    with pytest.raises(ChainBroken):
        site.log.check_start(site.records)
    with pytest.raises(ChainBroken):
        site.log.checkpoint(site.records)
    assert len(list(kept_checkpoints(site.records))) == 1


@past_us
def test_a_body_changed_beside_its_hash_stops_the_signing_at_start(site, tmp_path):
    write(site, 3)
    site.log.checkpoint(site.records)
    tamper(site, tmp_path, ("update journal_entries set body=x'7b7d' where position=1",))
    with pytest.raises(ChainBroken):
        site.log.check_start(site.records)


@past_us
@pytest.mark.parametrize("change", ["body=x'7b7d'", "kind='hold.placed'", "leaf=zeroblob(32)"])
def test_an_entry_changed_before_it_was_signed_is_not_signed(site, tmp_path, change):
    write(site, 3)
    tamper(site, tmp_path, (f"update journal_entries set {change} where position=1",))
    with pytest.raises(ChainBroken):
        site.log.checkpoint(site.records)
    assert list(kept_checkpoints(site.records)) == []


@past_us
def test_entries_gone_behind_a_checkpoint_stop_the_signing(site, tmp_path):
    write(site, 5)
    site.log.checkpoint(site.records)
    tamper(site, tmp_path, ("delete from journal_entries where position >= 3",))
    with pytest.raises(ChainBroken):
        site.log.checkpoint(site.records)


@past_us
def test_a_frontier_changed_in_the_database_is_not_built_upon(site, tmp_path):
    write(site, 4)
    site.log.checkpoint(site.records)
    write(site)
    tamper(site, tmp_path, ("update journal_checkpoints set frontier=?", bytes(32)))
    with pytest.raises(ChainBroken):
        site.log.checkpoint(site.records)


INSERT_A_COPY = (
    "insert into journal_entries (position, body, leaf, at, kind) "
    "select 5, body, leaf, at, kind from journal_entries where position=4"
)
CHANGES: dict[str, list[tuple[Any, ...]]] = {
    "a body": [("update journal_entries set body=cast(replace(body, 'workers', 'warkers') as blob) where position=5",)],
    "a body made text": [("update journal_entries set body=replace(body, 'workers', 'warkers') where position=5",)],
    "a hash": [("update journal_entries set leaf=? where position=5", bytes(32))],
    "a column": [("update journal_entries set kind='hold.placed' where position=5",)],
    "an entry removed": [("delete from journal_entries where position=5",)],
    "two exchanged": [
        ("update journal_entries set position=1000 where position=5",),
        ("update journal_entries set position=5 where position=7",),
        ("update journal_entries set position=7 where position=1000",),
    ],
    "one removed and the rest moved up": [
        ("delete from journal_entries where position=5",),
        ("update journal_entries set position=position+1000 where position>5",),
        ("update journal_entries set position=position-1001 where position>1000",),
    ],
    "one inserted": [
        ("update journal_entries set position=position+1000 where position>=5",),
        ("update journal_entries set position=position-999 where position>1000",),
        (INSERT_A_COPY,),
    ],
    "the time in a column": [("update journal_entries set at=at+1 where position=5",)],
}


@past_us
@pytest.mark.parametrize("change", CHANGES)
@pytest.mark.parametrize("signed", [True, False])
def test_verify_names_the_first_bad_index(site, tmp_path, change, signed):
    write(site, 10)
    if signed:
        site.log.checkpoint(site.records)
    tamper(site, tmp_path, *CHANGES[change])
    found = report(site)
    assert (found.intact, found.first_bad, found.last_bad) == (False, 5, 5)
    lines = exported(site)
    if not change.endswith("column"):  # an export has no columns beside the entry
        assert verify_export(lines, site.log.public_key).first_bad == 5


@past_us
def test_a_forgery_complete_but_for_the_signature_is_narrowed_to_its_subtree(site, tmp_path):
    write(site, 4)
    site.log.checkpoint(site.records)
    write(site, 9)  # 13 = 8 + 4 + 1
    site.log.checkpoint(site.records)
    statement = "update journal_entries set body=?, leaf=?, kind=? where position=?"
    tamper(site, tmp_path, (statement, *forged(site, 10)))
    found = report(site)
    assert (found.intact, found.first_bad, found.last_bad, found.signed) == (False, 8, 11, 4)


@past_us
def test_a_frontier_that_was_changed_too_narrows_nothing(site, tmp_path):
    write(site, 4)
    site.log.checkpoint(site.records)
    write(site, 9)
    site.log.checkpoint(site.records)
    statement = "update journal_entries set body=?, leaf=?, kind=? where position=?"
    spoilt = ("update journal_checkpoints set frontier=? where size=13", bytes(96))
    tamper(site, tmp_path, (statement, *forged(site, 10)), spoilt)
    found = report(site)
    assert (found.first_bad, found.last_bad) == (4, 12)


@past_us
def test_signed_entries_cut_off_are_missed(site, tmp_path):
    write(site, 6)
    site.log.checkpoint(site.records)
    tamper(site, tmp_path, ("delete from journal_entries where position >= 4",))
    assert report(site).first_bad == 4


def test_a_log_under_another_key_is_not_ours(site, tmp_path):
    write(site, 2)
    site.log.checkpoint(site.records)
    (tmp_path / "other").mkdir()
    other = SmallSite(tmp_path / "other")
    found = verify(kept_entries(site.records), kept_checkpoints(site.records), other.log.public_key)
    other.close()
    assert not found.intact


def exported(site):
    written: list[bytes] = []
    write_export(site.records, site.log, written.append)
    return b"".join(written).splitlines(keepends=True)


def test_an_export_verifies_without_the_database(site):
    write(site, 3)
    site.log.checkpoint(site.records)
    write(site, 4)
    site.log.checkpoint(site.records)
    write(site, 1)
    lines = exported(site)
    found = verify_export(lines, site.log.public_key)
    assert (found.intact, found.entries, found.signed, found.checkpoints) == (True, 8, 7, 2)
    assert verify_export(lines) == found
    assert json.loads(lines[1])["entry"]["index"] == 0
    assert not any(line[:1] in b"=+-@\t\r" for line in lines)


def test_an_export_with_a_line_changed_removed_or_moved_fails_at_that_entry(site):
    write(site, 6)
    site.log.checkpoint(site.records)
    lines = exported(site)
    for index in range(6):
        changed = [*lines]
        changed[1 + index] = lines[1 + index].replace(b'"workers":1', b'"workers":2')
        assert verify_export(changed).first_bad == index
        without = [*lines[: 1 + index], *lines[2 + index :]]
        assert verify_export(without).first_bad == index
    swapped = [*lines[:3], lines[4], lines[3], *lines[5:]]
    assert verify_export(swapped).first_bad == 2


@pytest.mark.parametrize(
    "lines",
    [[], [b""], [b"[]\n"], [b"{}\n"], [b'{"log":{"format":2,"public_key":"x"}}\n'], [b"\xff\n"]],
)
def test_what_is_no_export_is_refused(lines):
    with pytest.raises(BadInput):
        verify_export(lines)


@pytest.mark.parametrize("line", [b"{}\n", b"no\n", b'{"raw":"zz","leaf":"00"}\n', b'{"checkpoint":{"size":"1"}}\n'])
def test_a_foreign_line_in_an_export_is_refused(site, line):
    write(site)
    with pytest.raises(BadInput):
        verify_export([*exported(site), line])


def test_a_file_takes_notes_and_gives_the_newest(tmp_path):
    export = FileExport(tmp_path / "notes")
    assert export.last() is None
    export.append(["one\n\n— a b\n"], after=None)
    export.append(["två\n\n— a b\n"], after="one\n\n— a b\n")
    with (tmp_path / "notes").open("ab") as file:
        file.write(b'{"note":"cut')
    assert FileExport(tmp_path / "notes").last() == "två\n\n— a b\n"
