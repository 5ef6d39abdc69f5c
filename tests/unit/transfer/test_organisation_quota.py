"""The organisation's quota: over all of its tickets, reserved before the body, and never passed by many at once."""

from __future__ import annotations

from dataclasses import replace
from threading import Thread

import pytest

from domain.actor import EVERYTHING
from domain.errors import QuotaExceeded
from tests.transfers import MIB
from transfer import Limits

LIMITS = Limits(max_file_size=1 << 40, organisation_max_bytes=10)


def test_all_tickets_of_an_organisation_count_and_others_do_not(make_site):
    site = make_site(limits=LIMITS)
    acme = site.put_organisation("acme")
    one, two = site.by_agent(site.put_ticket("A-1", acme)), site.by_agent(site.put_ticket("A-2", acme))
    site.receive(b"12345", incoming=one)
    site.receive(b"12345", incoming=two)
    before = site.kept()
    for declared in (True, False):
        with pytest.raises(QuotaExceeded):
            site.receive(b"1" if declared else iter([b"1"]), incoming=one, declared=declared)
    assert site.kept() == before
    site.receive(b"x" * 100)  # a ticket of nobody's
    site.receive(b"x" * 10, incoming=site.by_agent(site.put_ticket("B-1", site.put_organisation("other"))))


def test_room_given_back_can_be_taken_again(make_site):
    site = make_site(limits=LIMITS)
    incoming = site.by_agent(site.put_ticket("A-1", site.put_organisation("acme")))
    claim = site.reception.claim(incoming, "a.txt", 10)
    with pytest.raises(QuotaExceeded):
        site.reception.claim(incoming, "b.txt", 1)
    site.reception.abandon([claim])
    site.receive(b"0123456789", incoming=incoming)


def test_a_ticket_takes_its_files_along_to_another_organisation(make_site):
    site = make_site(limits=LIMITS)
    acme, other = site.put_organisation("acme"), site.put_organisation("other")
    ticket_id = site.put_ticket("A-1", acme)
    site.receive(b"0123456789", incoming=site.by_agent(ticket_id))

    def move(unit):
        ticket = unit.tickets.by_id(ticket_id, EVERYTHING)
        unit.tickets.put(replace(ticket, organisation_id=other, version=ticket.version + 1))

    site.records.write(move)
    site.receive(b"0123456789", incoming=site.by_agent(site.put_ticket("A-2", acme)))
    with pytest.raises(QuotaExceeded):
        site.receive(b"1", incoming=site.by_agent(site.put_ticket("B-1", other)))


def test_uploads_at_once_never_pass_it_together(make_site):
    site = make_site(limits=Limits(max_file_size=1 << 40, organisation_max_bytes=5 * MIB))
    acme = site.put_organisation("acme")
    incoming = [site.by_agent(site.put_ticket(f"A-{number}", acme)) for number in range(12)]
    sent: list[int] = []

    def send(number: int) -> None:
        try:
            site.receive(iter([b"a" * MIB]), incoming=incoming[number], declared=False)
        except QuotaExceeded:
            return
        sent.append(number)

    threads = [Thread(target=send, args=(number,)) for number in range(12)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    taken = site.records.read(lambda unit: unit.inventory.organisation_bytes(acme))
    assert taken == len(sent) * MIB
    assert 1 <= len(sent) <= 5
