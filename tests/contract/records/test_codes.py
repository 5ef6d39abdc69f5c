from __future__ import annotations

import pytest

from domain.ids import LinkId
from storage.records import Records
from tests.contract.records.given import (
    HOUR,
    T0,
    TICK,
    a_download_link,
    a_ticket,
    an_attachment,
    at_once,
    digest,
    number,
)

LINK, OTHER = LinkId(number(2)), LinkId(number(3))


@pytest.fixture
def stored(records: Records) -> Records:
    """Two links, the first with a code for five tries."""

    def begin(unit):
        unit.tickets.put(a_ticket(1))
        unit.attachments.add(an_attachment(1))
        unit.links.add(a_download_link(2), digest("download"))
        unit.links.add(a_download_link(3), digest("another"))
        unit.codes.put(LINK, digest=digest("123456"), expires_at=T0 + HOUR, tries=5, sent_at=T0)

    records.write(begin)
    return records


def redeem(records: Records, code: str, link: LinkId = LINK, now=T0) -> bool:
    return records.write(lambda unit: unit.codes.redeem(link, digest=digest(code), now=now))


def test_the_right_code_works_once(stored):
    assert redeem(stored, "123456") is True
    assert redeem(stored, "123456") is False
    assert stored.read(lambda unit: unit.codes.sent_at(LINK)) is None


def test_a_code_is_one_links_only(stored):
    assert redeem(stored, "123456", OTHER) is False
    assert redeem(stored, "123456") is True


def test_a_code_works_until_it_expires(stored):
    assert redeem(stored, "123456", now=T0 + HOUR) is False
    assert redeem(stored, "123456", now=T0 + HOUR - TICK) is True


def test_the_fifth_try_may_still_be_right(stored):
    assert [redeem(stored, "000000") for _ in range(4)] == [False] * 4
    assert redeem(stored, "123456") is True


def test_after_five_wrong_ones_the_code_is_dead(stored):
    assert [redeem(stored, "000000") for _ in range(5)] == [False] * 5
    assert redeem(stored, "123456") is False
    assert stored.read(lambda unit: unit.codes.sent_at(LINK)) == T0


def test_a_new_code_takes_the_place_of_the_old(stored):
    for _ in range(5):
        redeem(stored, "000000")
    stored.write(
        lambda unit: unit.codes.put(LINK, digest=digest("654321"), expires_at=T0 + 2 * HOUR, tries=2, sent_at=T0 + HOUR)
    )
    assert stored.read(lambda unit: unit.codes.sent_at(LINK)) == T0 + HOUR
    assert redeem(stored, "123456", now=T0 + HOUR) is False
    assert redeem(stored, "654321", now=T0 + HOUR) is True


def test_the_right_code_at_once_is_redeemed_once(stored):
    assert at_once(5, lambda _: redeem(stored, "123456")).count(True) == 1


def test_guesses_at_once_are_as_many_as_guesses_in_turn(stored):
    # Among many guesses the right one wins only where it is one of the first five; the other fifteen never count.
    codes = ["000000"] * 15 + ["123456"]
    won = at_once(16, lambda i: redeem(stored, codes[i]))
    assert won[:15] == [False] * 15
    assert redeem(stored, "123456") is False


def test_wrong_passcodes_are_counted_by_link_by_address_and_by_both(stored):
    def fail(unit):
        unit.passcode_failures.add(LINK, digest("a"), at=T0)
        unit.passcode_failures.add(LINK, digest("b"), at=T0 + TICK)
        unit.passcode_failures.add(OTHER, digest("a"), at=T0 + 2 * TICK)

    stored.write(fail)

    def count(since, **of) -> int:
        return stored.read(lambda unit: unit.passcode_failures.count(since=since, **of))

    assert count(T0, link_id=LINK) == 2
    assert count(T0 + TICK, link_id=LINK) == 1
    assert count(T0, address_digest=digest("a")) == 2
    assert count(T0, link_id=LINK, address_digest=digest("a")) == 1
    assert count(T0, link_id=LinkId(number(9))) == 0
    with pytest.raises(ValueError):
        count(T0)


def test_wrong_passcodes_are_forgotten(stored):
    stored.write(lambda unit: unit.passcode_failures.add(LINK, digest("a"), at=T0))
    assert stored.write(lambda unit: unit.passcode_failures.sweep(before=T0)) == 0
    assert stored.write(lambda unit: unit.passcode_failures.sweep(before=T0 + TICK)) == 1
    assert stored.read(lambda unit: unit.passcode_failures.count(link_id=LINK, since=T0)) == 0
