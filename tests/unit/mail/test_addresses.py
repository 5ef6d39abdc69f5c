from __future__ import annotations

from dataclasses import replace

import pytest

from domain.actor import EVERYTHING
from domain.ticket import TicketStatus
from mail.addresses import LOCAL_MAX, MailAddresses


@pytest.fixture
def addresses(site):
    return MailAddresses(site.ring.secret("mail-addresses"), "Desk.example")


def ticket(site, ref):
    found = site.records.read(lambda unit: unit.tickets.get(ref, EVERYTHING))
    if found is None:
        site.put_ticket(ref)
        found = site.records.read(lambda unit: unit.tickets.get(ref, EVERYTHING))
    return found


def found(site, addresses, address):
    return site.records.read(lambda unit: addresses.find(unit, address))


@pytest.mark.parametrize(
    "ref", ["SUP-17", "4711", "abc_9", "Blandat-1", "med blanksteg/1", "ärende", "x" * 200, "a.b", "0" * 32, "-a-"]
)
def test_an_address_is_found_again_whatever_its_case(site, addresses, ref):
    made = ticket(site, ref)
    address = addresses.of(made)
    local, _, domain = address.rpartition("@")
    assert len(local) <= LOCAL_MAX
    assert local.isascii()
    assert domain == "desk.example"
    assert [found(site, addresses, one) for one in (address, address.upper(), address.lower())] == [made] * 3


def test_references_that_differ_in_case_are_two(site, addresses):
    for ref in ("sup-17", "SUP-17"):
        assert found(site, addresses, addresses.of(ticket(site, ref)).swapcase()).ref == ref


def test_nothing_else_is_an_address(site, addresses):
    address = addresses.of(ticket(site, "SUP-17"))
    other = addresses.of(ticket(site, "SUP-18"))
    mac = other.partition(".")[2]
    local = address.partition("@")[0]
    wrong = [
        "", "@", "ticket+@desk.example", "ticket+SUP-17@desk.example", f"ticket+SUP-17.{mac}", local,
        f"{local}@other.example", address.replace("ticket+", "tickets+"), address.replace("SUP-17", "SUP-99"),
        address.replace("@", "x@"), "ticket+SUP-17.@desk.example", f"ticket+{'0' * 32}.{mac}",
    ]  # fmt: skip
    assert [found(site, addresses, one) for one in wrong] == [None] * len(wrong)
    assert address != MailAddresses(site.ring.secret("another"), "desk.example").of(ticket(site, "SUP-17"))


def test_a_ticket_that_is_closed_or_erased_is_not_there(site, addresses):
    closed, erased = ticket(site, "C-1"), ticket(site, "E-1")
    site.records.write(
        lambda unit: unit.tickets.put(replace(closed, status=TicketStatus.CLOSED, version=closed.version + 1))
    )
    site.erase_ticket(erased.id)
    assert found(site, addresses, addresses.of(closed)) is None
    assert found(site, addresses, addresses.of(erased)) is None
    open_to_all = MailAddresses(site.ring.secret("mail-addresses"), "desk.example", plain=True, closed=True)
    assert found(site, open_to_all, open_to_all.of(closed)).ref == "C-1"
    assert found(site, open_to_all, open_to_all.of(erased)) is None
    assert found(site, open_to_all, "ticket+E-1@desk.example") is None


def test_an_address_without_a_code_counts_where_the_site_says_so(site):
    plain = MailAddresses(site.ring.secret("mail-addresses"), "desk.example", plain=True)
    ticket(site, "SUP-17"), ticket(site, "a.b")
    assert found(site, plain, "TICKET+sup-17@DESK.example").ref == "SUP-17"
    assert found(site, plain, "ticket+a.b@desk.example").ref == "a.b"
    assert found(site, plain, "ticket+SUP-99@desk.example") is None
