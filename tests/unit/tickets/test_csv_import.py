"""Rows of a CSV file: what they say, and what is wrong with them, by line and column."""

from __future__ import annotations

import io
from datetime import UTC, date, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.errors import BadInput
from domain.ticket import TicketStatus
from tickets import UNSAID, BadLine, OrganisationFact, SourceTicket, read_organisations, read_tickets
from tickets.answers import microseconds

NOW = datetime(2026, 11, 24, 11, 0, tzinfo=UTC)


def tickets(text, prefix=""):
    return list(read_tickets(io.StringIO(text, newline=""), prefix=prefix, now=NOW))


def organisations(text):
    return list(read_organisations(io.StringIO(text, newline="")))


def test_a_row_says_what_its_columns_name():
    (row,) = tickets(
        "ref,status,subject,requester_email,organisation,opened_at,closed_at,updated_at,tags\n"
        '12,Closed,"Skrivaren, igen",a@x.example,Kund AB,2026-01-02,2026-02-03,2026-02-04T05:06:07+01:00,vip; nu\n',
        prefix="G-",
    )
    assert (row.id, row.fact.ref, row.fact.status) == ("12", "G-12", TicketStatus.CLOSED)
    assert (row.fact.subject, row.fact.requester_email) == ("Skrivaren, igen", "a@x.example")
    assert row.fact.opened_at == datetime(2026, 1, 2, tzinfo=UTC)
    assert row.fact.closed_at == datetime(2026, 2, 3, 23, 59, 59, tzinfo=UTC)
    assert row.version == microseconds(datetime(2026, 2, 4, 4, 6, 7, tzinfo=UTC))
    assert row.fact.tags == ("nu", "vip")


def test_an_empty_cell_says_nothing_and_a_dash_that_there_is_none():
    first, second = tickets("ref;organisation;requester_email\nT-1;;\nT-2;-;-\n")
    assert (first.fact.organisation, first.fact.requester_email, first.version) == (UNSAID, UNSAID, microseconds(NOW))
    assert (second.fact.organisation, second.fact.requester_email) == (None, None)
    runs_on, ends, unsaid = organisations("ref\tcontract_ends_on\nA\t-\nB\t2027-03-31\nC\t\n")
    assert [one.contract_ends_on for one in (runs_on, ends, unsaid)] == [None, date(2027, 3, 31), UNSAID]


def test_every_bad_line_is_named_with_its_column_and_the_good_ones_are_read():
    found = tickets(
        "ref,status,requester_email,closed_at\n"
        "1,open,,\n"
        ",open,,\n"
        "3,ajar,,\n"
        "\n"
        "5,open,nobody,\n"
        "6,open,,2026-02-30\n"
        "7,open\n"
        '8,"op\nen",,\n'
        "9,closed,,1026-01-01\n"
        "10,open,,\n"
    )
    assert [one.id for one in found if isinstance(one, SourceTicket)] == ["1", "10"]
    assert [(one.number, one.column) for one in found if isinstance(one, BadLine)] == [
        (3, "ref"),
        (4, "status"),
        (6, "requester_email"),
        (7, "closed_at"),
        (8, None),
        (10, "status"),
        (11, "closed_at"),
    ]


def test_what_is_no_csv_any_more_ends_there():
    found = tickets('ref,subject\n1,a\n2,"b"c\n3,d\n')
    assert [type(one) for one in found] == [SourceTicket, BadLine]
    assert found[1].number == 3


@pytest.mark.parametrize("head", ["", "\n\n", "status\n", "ref,size\n", "ref,ref\n", '"ref\n', "x" * (2 << 20)])
def test_a_first_line_that_names_no_columns_of_ours_is_refused(head):
    with pytest.raises(BadInput):
        tickets(head + "1,2\n")


def test_what_looks_like_a_formula_is_a_text_like_any_other():
    (row,) = tickets('ref,subject\n1,"=HYPERLINK(""x"")"\n')
    assert row.fact.subject == '=HYPERLINK("x")'


@given(
    st.text(alphabet=st.sampled_from('a1,;\t\n\r"-\x00åé@.:T '), max_size=80), st.sampled_from([tickets, organisations])
)
def test_whatever_is_in_it_it_is_a_row_or_a_bad_line(text, read):
    head = "ref,closed_at,tags\n" if read is tickets else "ref,name,contract_ends_on\n"
    assert all(isinstance(one, SourceTicket | OrganisationFact | BadLine) for one in read(head + text))
