from __future__ import annotations

import itertools

import pytest

from storage.records import Records, Row, Table, Value, WrappedRow
from tests.contract.records.given import (
    HOUR,
    T0,
    a_download_link,
    a_grant,
    a_ticket,
    an_attachment,
    an_organisation,
    an_upload_link,
    digest,
)


def named(records: Records, name: str) -> Table:
    return next(table for table in records.read(lambda unit: unit.tables.all()) if table.name == name)


def rows(records: Records, table: Table, limit: int = 1000) -> list[Row]:
    return list(records.read(lambda unit: unit.tables.page(table, after=None, limit=limit)))


def fill(records: Records) -> None:
    def work(unit):
        unit.organisations.put(an_organisation(1))
        unit.tickets.put(a_ticket(1, organisation=1))
        unit.attachments.add(an_attachment(1))
        unit.links.add(an_upload_link(1), digest("u"))
        unit.links.add(a_download_link(2), digest("d"))
        unit.grants.add(a_grant(1), digest("g"))
        for purpose in ("ticket", "attachment", "organisation"):
            unit.keys.add(WrappedRow(a_ticket(1).id, purpose, 1, b"sealed"))

    records.write(work)


def test_a_table_comes_behind_those_that_its_rows_point_to(records):
    names = [table.name for table in records.read(lambda unit: unit.tables.all())]
    for parent, child in [
        ("organisations", "tickets"),
        ("tickets", "attachments"),
        ("attachments", "links"),
        ("links", "grants"),
        ("principals", "credentials"),
    ]:
        assert names.index(parent) < names.index(child)
    assert {"journal_entries", "journal_checkpoints", "wrapped_keys", "site", "leases"} <= set(names)


def test_rows_are_given_with_their_key_first_and_in_its_order(records):
    fill(records)
    keys = named(records, "wrapped_keys")
    assert (keys.columns[:2], keys.key_length) == (("owner_id", "purpose"), 2)
    assert [keys.key_of(row)[1] for row in rows(records, keys)] == ["attachment", "organisation", "ticket"]


def test_pages_go_on_behind_a_key_of_one_column_or_two(records):
    fill(records)
    for name in ("wrapped_keys", "links"):
        table = named(records, name)
        whole = rows(records, table)
        paged, after = [], None
        for _ in itertools.count():
            page = records.read(lambda unit, t=table, a=after: list(unit.tables.page(t, after=a, limit=1)))
            if not page:
                break
            paged += page
            after = table.key_of(page[-1])
        assert paged == whole


def test_names_are_ordered_by_their_bytes_whatever_the_databases_language(records):
    words = ["z", "B", "a-b", "ab", "a.b", "å", "node:1", "Node:2", "_"]
    records.write(lambda unit: [unit.site.put(word, "1") for word in words])
    table = named(records, "site")
    found = [str(row[0]) for row in rows(records, table) if row[0] in words]
    assert found == sorted(words)
    after = records.read(lambda unit: unit.tables.page(table, after=("a.b",), limit=1000))
    assert [row[0] for row in after if row[0] in words] == [word for word in sorted(words) if word > "a.b"]


def test_what_is_read_can_be_written_again_to_the_last_byte(records):
    fill(records)
    for name in ("grants", "links"):
        table = named(records, name)
        before = rows(records, table)
        assert all(value is None or isinstance(value, int | str | bytes) for row in before for value in row)
        if name == "grants":
            keys = [table.key_of(row) for row in before]
            records.write(lambda unit, t=table, k=keys: unit.tables.delete(t, k))
            assert rows(records, table) == []
            records.write(lambda unit, t=table, b=before: unit.tables.add(t, b))
        assert rows(records, table) == before
    found = records.read(lambda unit: unit.grants.by_digest(digest("g")))
    assert found is not None


def test_a_row_is_changed_in_the_columns_that_are_named(records):
    fill(records)
    table = named(records, "organisations")
    key = table.key_of(rows(records, table)[0])
    records.write(lambda unit: unit.tables.change(table, key, {"name": "Ny", "contract_ends_on": "2027-01-31"}))
    found = dict(zip(table.columns, rows(records, table)[0], strict=True))
    assert (found["name"], found["contract_ends_on"], found["ref"]) == ("Ny", "2027-01-31", "org-1")


def test_numbers_that_the_database_gives_go_on_behind_the_last_row(records):
    fill(records)
    link = an_upload_link(1).id
    table = named(records, "passcode_failures")
    row = {"id": 41, "link_id": link, "address_digest": digest("a"), "at": 1}
    given = tuple(row[column] for column in table.columns)

    def work(unit):
        unit.tables.add(table, [given])
        unit.tables.renumber(table)

    records.write(work)
    records.write(lambda unit: unit.passcode_failures.add(link, digest("b"), at=T0 + HOUR))
    assert [row[0] for row in rows(records, table)] == [41, 42]
    for other in records.read(lambda unit: unit.tables.all()):
        records.write(lambda unit, t=other: unit.tables.renumber(t))


def test_what_the_audit_log_keeps_is_said(records):
    assert named(records, "journal_entries").kept == set(named(records, "journal_entries").columns)
    assert "exported_at" not in named(records, "journal_checkpoints").kept
    assert not named(records, "tickets").kept


def test_entries_are_carried_on_and_never_with_a_gap(records):
    table = named(records, "journal_entries")
    values: dict[str, Value] = {"position": 0, "body": b"{}", "leaf": b"l" * 32, "at": 1, "kind": "k"}

    def entry(position: int) -> Row:
        return tuple((values | {"position": position}).get(column) for column in table.columns)

    records.write(lambda unit: unit.tables.add(table, [entry(0), entry(1), entry(2)]))
    assert [row[0] for row in rows(records, table)] == [0, 1, 2]
    with pytest.raises(Exception, match="no gaps"):
        records.write(lambda unit: unit.tables.add(table, [entry(5)]))
