"""Rows of one database in another: what differs, what is gone, what has another past."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.actor import SYSTEM
from domain.errors import Damaged, Misconfigured
from domain.event import Event, EventKind
from storage import RowCopy, Unit
from storage.row_copy import encode
from tests.small_site import MemoryExport, SmallSite


@pytest.fixture
def sides(tmp_path: Path) -> Iterator[tuple[SmallSite, SmallSite]]:
    here, there = SmallSite(tmp_path / "here", MemoryExport()), SmallSite(tmp_path / "there")
    yield here, there
    here.close()
    there.close()


def marks(site: SmallSite) -> dict[str, str]:
    table = site.records.read(lambda unit: next(table for table in unit.tables.all() if table.name == "site"))
    rows = site.records.read(lambda unit: unit.tables.page(table, after=None, limit=1000))
    return {str(name): str(value) for name, value in rows}


def put(site: SmallSite, **values: str) -> None:
    def work(unit: Unit) -> None:
        for name, value in values.items():
            unit.site.put(name, value)

    site.records.write(work)


def log(site: SmallSite, subject: str) -> None:
    event = Event(EventKind.FSCK_REPAIRED, SYSTEM, subject)
    site.records.write(lambda unit: site.log.append(unit, event))


def copy(here: SmallSite, there: SmallSite, *, batch: int = 3) -> RowCopy:
    return RowCopy(here.records, there.records, left_out=lambda table, row: row[0] == "own", batch=batch)


def test_the_target_is_made_equal_whatever_was_in_it(sides):
    here, there = sides
    put(here, own="here", **{f"n{n}": str(n) for n in range(20)})
    put(there, own="there", n3="other", n4="4", n05="gone", z="gone", **{f"m{n}": "gone" for n in range(10)})
    rows = copy(here, there)
    with pytest.raises(Damaged, match="site"):
        rows.compare()
    rows.run()
    assert marks(there) == marks(here) | {"own": "there"}
    assert {one.name: one.rows for one in rows.compare()}["site"] == 20
    before = marks(there)
    rows.run()
    assert marks(there) == before


def test_the_audit_log_is_carried_on_and_its_checkpoints_with_what_was_said_of_them_since(sides):
    here, there = sides
    log(here, "one")
    here.export.full = True
    here.log.checkpoint(here.records)
    copy(here, there).run()
    here.export.full = False
    log(here, "two")
    here.log.checkpoint(here.records)
    rows = copy(here, there)
    rows.run()
    assert {one.name: one.rows for one in rows.compare()}["journal_entries"] == 2
    kept = there.records.read(lambda unit: unit.journal.last_checkpoint())
    assert kept == here.records.read(lambda unit: unit.journal.last_checkpoint())


@pytest.mark.parametrize("subject", ["other", "longer"])
def test_a_log_that_is_no_beginning_of_ours_is_refused(sides, subject):
    here, there = sides
    log(here, "one")
    copy(here, there).run()
    if subject == "longer":
        log(there, "two")
    else:
        here.clock.go(seconds=1)
        log(here, "two")
        log(there, "other")
    with pytest.raises(Misconfigured, match="another history"):
        copy(here, there).run()


values = st.one_of(st.none(), st.integers(-(2**63), 2**63 - 1), st.text(), st.binary())


@given(st.lists(values), st.lists(values))
def test_two_rows_are_encoded_alike_only_if_they_are_alike(one, other):
    assert (encode(tuple(one)) == encode(tuple(other))) == (one == other)
