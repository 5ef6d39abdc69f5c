"""All that is held of a person: found wherever it is, whole, and of others nothing but their roles."""

from __future__ import annotations

import json

import pytest

from domain.actor import SYSTEM, Role
from domain.attachment import AttachmentState
from domain.errors import BadInput, Damaged, NotAllowed
from domain.event import EventKind
from retention import Reason
from tests.transfers import ADMIN, AGENT, AUDITOR, MIB, contact
from tests.unit.subjects.conftest import ANNA, told


def test_files_and_all_that_is_known_are_in_it(site):
    one, two = site.of("T/1", subject="Mätaren"), site.of("T-2")
    site.sent("T/1", b"one", "ett.txt")
    site.file(two, b"x" * (3 * MIB), "stor.bin")
    site.file(two, b"again", "stor.bin")
    files, index = site.exported()
    assert files == {
        "files/T_1/ett.txt": b"one",
        "files/T-2/stor.bin": b"x" * (3 * MIB),
        "files/T-2/stor (2).bin": b"again",
    }
    first, second = index["tickets"]
    assert (first["ref"], first["subject"]) == ("T/1", "Mätaren")
    assert (first["requester_email"], first["requester_name"]) == (ANNA, "Anna Berg")
    assert first["rule"] == "P1Y after last_activity_at"
    assert first["erased_on"] == "2027-11-24T11:00:00Z"
    assert (first["kept_by"], second["kept_by"]) == (None, None)
    assert [file["path"] for file in second["files"]] == ["files/T-2/stor.bin", "files/T-2/stor (2).bin"]
    assert len(first["receipts"]) == 1
    assert [link["kind"] for link in first["links"]] == ["upload"]
    assert {place["kind"] for place in index["places"]} == {"database", "mail"}
    assert one != two


def test_a_person_is_found_however_the_address_is_spelt_and_nobody_else_is(site):
    site.file(site.of("T-2"))
    site.file(site.of("T-3", "annan@kund.example"))
    for spelling in ("anna.berg@kund.example", " ANNA.BERG@KUND.EXAMPLE "):
        files, index = site.exported(spelling)
        assert list(files) == ["files/T-2/brev.txt"]
        assert [ticket["ref"] for ticket in index["tickets"]] == ["T-2"]


def test_what_cannot_be_handed_out_is_named_with_the_reason_and_left_out(site):
    ticket = site.of("T-2")
    rows = {
        name: site.file(ticket, b"secret", f"{name}.txt")
        for name in ("kept", "quarantined", "damaged", "erased", "bitten")
    }
    site.change(rows["quarantined"].id, state=AttachmentState.QUARANTINED)
    site.change(rows["damaged"].id, state=AttachmentState.DAMAGED)
    site.purge.erase(SYSTEM, rows["erased"].id, Reason.ERASED)
    site.tamper(rows["bitten"], lambda blob: blob[:-1] + bytes([blob[-1] ^ 1]))
    files, index = site.exported()
    assert files == {"files/T-2/kept.txt": b"secret"}
    (shown,) = index["tickets"]
    told_of = {file["id"]: (file["left_out"], file["path"]) for file in shown["files"]}
    assert told_of == {
        rows["kept"].id: (None, "files/T-2/kept.txt"),
        rows["quarantined"].id: ("quarantined", None),
        rows["damaged"].id: ("damaged", None),
        rows["erased"].id: ("erased", None),
        rows["bitten"].id: ("damaged", None),
    }
    erased = next(file for file in shown["files"] if file["left_out"] == "erased")
    assert (erased["name"], erased["sha256"]) == (None, None)
    assert erased["certificate"]


def test_a_file_that_turns_out_damaged_on_the_way_breaks_it_off_and_the_next_one_leaves_it_out(site):
    row = site.file(site.of("T-2"), b"y" * (5 * MIB), "bitten.bin")
    site.tamper(row, lambda blob: blob[: 2 * MIB] + bytes([blob[2 * MIB] ^ 1]) + blob[2 * MIB + 1 :])
    export = site.exporting.open(SYSTEM, ANNA, told)
    with pytest.raises(Damaged):
        list(export.chunks())
    export.close()
    files, index = site.exported()
    assert files == {}
    assert index["tickets"][0]["files"][0]["left_out"] == "damaged"


def test_links_that_name_the_person_are_found_on_the_tickets_of_others_also_of_an_older_release(site):
    row = site.received()
    link = site.download_link(row.id, recipient=ANNA.upper())
    site.download_link(row.id, recipient="annan@kund.example")
    site.issuing = site.older_issuing
    older = site.download_link(row.id, recipient=ANNA.lower())
    files, index = site.exported()
    assert files == {}
    assert [one["id"] for one in index["links"]] == [link.link.id, older.link.id]
    assert {one["ticket"] for one in index["links"]} == {"T-1"}
    assert site.search.index() == 0
    assert "annan" not in json.dumps(index)


def test_whom_else_a_link_names_stays_between_them(site):
    row = site.file(site.of("T-2"))
    site.download_link(row.id, recipient="annan@kund.example")
    _, index = site.exported()
    assert [link["named"] for link in index["tickets"][0]["links"]] == [False]
    assert "annan" not in json.dumps(index)


def test_downloads_are_told_by_kind_of_actor(site):
    row = site.file(site.of("T-2"))
    site.read(AGENT, row.id)
    _, index = site.exported()
    (file,) = index["tickets"][0]["files"]
    assert file["downloads"] == [{"at": "2026-11-24T11:00:00Z", "by": "agent"}]
    assert "agent-1" not in json.dumps(index)


def test_mails_access_and_holds_are_told_of(site):
    site.of("T-2")
    site.hold("T-2")
    site.mail(ANNA.lower())
    site.mail("annan@kund.example")
    with_name = lambda unit: site.people.make_key(unit, SYSTEM, Role.AGENT, f"Anna <{ANNA}>")  # noqa: E731
    other = lambda unit: site.people.make_key(unit, SYSTEM, Role.AGENT, f"Jo{ANNA}")  # noqa: E731
    made = site.records.write(with_name)
    site.records.write(other)
    _, index = site.exported()
    assert [mail["subject"] for mail in index["mails"]] == ["Din kod"]
    assert [one["id"] for one in index["access"]] == [made.principal.id]
    (ticket,) = index["tickets"]
    assert ticket["kept_by"] == "hold"
    assert [hold["on"] for hold in ticket["holds"]] == ["ticket"]
    assert "tvist" not in json.dumps(index)
    assert "123456" not in json.dumps(index)


def test_nothing_held_is_an_answer_too(site):
    files, index = site.exported("ingen@kund.example")
    assert files == {}
    assert (index["tickets"], index["links"], index["mails"], index["access"]) == ([], [], [], [])


def test_an_admin_may_and_nobody_else_and_the_log_says_who_without_whom(site):
    row = site.file(site.of("T-2"))
    site.exported(actor=ADMIN)
    for actor in (AGENT, AUDITOR, contact("own")):
        with pytest.raises(NotAllowed):
            site.exporting.open(actor, ANNA, told)
    (event,) = site.events(EventKind.SUBJECT_EXPORTED)
    assert (event["actor"]["role"], event["actor"]["principal_id"]) == ("admin", "admin-1")
    assert event["facts"] == {"tickets": 1, "files": 1, "links": 0, "mails": 0, "principals": 0}
    assert [one["actor"]["role"] for one in site.events(EventKind.DOWNLOAD_STARTED)] == ["admin"]
    assert "anna" not in json.dumps(site.events()).lower()
    with pytest.raises(NotAllowed):
        site.read(ADMIN, row.id)


def test_what_is_no_address_is_refused_by_its_field(site):
    with pytest.raises(BadInput) as caught:
        site.exporting.open(SYSTEM, "ingen", told)
    assert caught.value.field == "email"
