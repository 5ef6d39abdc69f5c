"""Several processes' worth of records on one database: what one statement promises must hold between them too."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from domain.ids import GrantId, LinkId
from storage.records import Records, WrappedRow
from tests.contract.records.given import (
    HOUR,
    T0,
    a_download_link,
    a_grant,
    a_ticket,
    an_attachment,
    at_once,
    digest,
    number,
)

TRIES = 24


@pytest.fixture
def nodes(opened: Callable[[], Records]) -> list[Records]:
    """The same database opened three times, with a link for five downloads, a grant and a code."""
    several = [opened() for _ in range(3)]

    def begin(unit):
        unit.tickets.put(a_ticket(1))
        unit.attachments.add(an_attachment(1))
        unit.links.add(a_download_link(2, max_downloads=5), digest("download"))
        unit.grants.add(a_grant(1, budget=100), digest("grant"))
        unit.codes.put(LinkId(number(2)), digest=digest("123456"), expires_at=T0 + HOUR, tries=5, sent_at=T0)

    several[0].write(begin)
    return several


def race(nodes: list[Records], work) -> list:
    return at_once(TRIES, lambda i: nodes[i % len(nodes)].write(lambda unit: work(unit, i)))


def test_n_of_many_redemptions_succeed(nodes):
    won = race(nodes, lambda unit, i: unit.links.count_use(LinkId(number(2)), now=T0))
    assert won.count(True) == 5


def test_a_budget_is_never_overspent(nodes):
    won = race(nodes, lambda unit, i: unit.grants.spend(GrantId(number(1)), size=9, now=T0))
    assert won.count(True) == 11


def test_a_code_is_redeemed_once(nodes):
    won = race(nodes, lambda unit, i: unit.codes.redeem(LinkId(number(2)), digest=digest("123456"), now=T0))
    assert won.count(True) == 1


def test_no_more_guesses_than_tries_are_looked_at(nodes):
    # Every guess is another: of all the digests only those of the first five could ever have been found right.
    race(nodes, lambda unit, i: unit.codes.redeem(LinkId(number(2)), digest=digest(f"{i}"), now=T0))
    assert nodes[0].write(lambda unit: unit.codes.redeem(LinkId(number(2)), digest=digest("123456"), now=T0)) is False


def test_one_taker_gets_a_lease(nodes):
    got = race(nodes, lambda unit, i: unit.leases.take("purge", owner=f"{i}", now=T0, until=T0 + HOUR))
    assert sorted(got, key=str) == [1] + [None] * (TRIES - 1)


def test_one_claim_of_an_idempotency_key_wins(nodes):
    got = race(nodes, lambda unit, i: unit.answers.begin(digest("key"), node=str(i), now=T0, expires_at=T0 + HOUR))
    assert got.count(None) == 1


def test_every_use_of_a_generation_is_counted(nodes):
    race(nodes, lambda unit, i: unit.keys.add(WrappedRow(number(i), "attachment", 1, b"sealed")))
    assert nodes[0].read(lambda unit: (unit.keys.count(1), unit.keys.uses(1))) == (TRIES, TRIES)
