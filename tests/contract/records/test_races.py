"""Several processes' worth of records on one database: what one statement promises must hold between them too."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import replace

import pytest

from domain.actor import EVERYTHING
from domain.attachment import AttachmentState
from domain.disposal import Hold
from domain.errors import StateConflict, TooMany
from domain.ids import AttachmentId, GrantId, HoldId, LinkId, TicketId
from storage.records import JournalEntry, Records, WrappedRow
from tests.contract.records.given import (
    HOUR,
    T0,
    TICK,
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


# -- a work reads, decides and writes: between nodes as on one ---------------------------------------------------------
FILE, TICKET, LINK = AttachmentId(number(1)), TicketId(number(1)), LinkId(number(2))


def write_down(unit, what: str) -> int:
    """An entry of the journal, as every work of the service writes one; its index."""
    index = unit.journal.size()
    body = f'{{"i":{index}}}'.encode()
    leaf = hashlib.sha256(body).digest()
    unit.journal.append(JournalEntry(index, body, leaf, T0, what, None, None))
    return index


def written(nodes: list[Records]) -> list[JournalEntry]:
    return list(nodes[0].read(lambda unit: unit.journal.entries(0, 1000)))


def test_nodes_number_the_journal_without_a_gap_whatever_fails(nodes):
    def one(i: int) -> bool:
        def work(unit) -> bool:
            write_down(unit, "kind")
            if i % 3 == 0:
                raise StateConflict
            write_down(unit, "kind")
            return True

        try:
            return nodes[i % len(nodes)].write(work)
        except StateConflict:
            return False

    assert at_once(TRIES, one).count(True) == 16
    assert [entry.index for entry in written(nodes)] == list(range(32))


def test_claims_of_several_nodes_never_pass_a_quota(nodes):
    nodes[0].write(lambda unit: unit.quotas.open(TICKET, max_files=10, max_bytes=None))

    def one(i: int) -> bool:
        def work(unit) -> None:
            write_down(unit, "upload.started")  # before the counters: no order of locks may matter
            unit.quotas.claim(TICKET, size=7)

        try:
            nodes[i % len(nodes)].write(work)
        except TooMany:
            return False
        return True

    assert at_once(TRIES, one).count(True) == 10
    quota = nodes[0].read(lambda unit: unit.quotas.get(TICKET))
    assert (quota.reserved_files, quota.reserved_bytes) == (10, 70)
    assert len(written(nodes)) == 10


def test_a_row_is_taken_once_by_whoever_saw_its_version(nodes):
    def one(unit, i: int) -> bool:
        row = unit.attachments.get(FILE, EVERYTHING)
        if row.state is not AttachmentState.RECEIVING:
            return False
        unit.attachments.save(replace(row, state=AttachmentState.AVAILABLE, version=row.version + 1))
        return True

    assert race(nodes, one).count(True) == 1


@pytest.mark.parametrize("round_", range(5))
def test_a_hold_and_a_purge_of_the_same_file_never_both_come_first(nodes, round_):
    """Neither writes what the other reads: the purge looks at holds, the hold at the file."""

    def purge(unit) -> bool:
        row = unit.attachments.get(FILE, EVERYTHING)
        if unit.holds.held(TICKET) or row.state is AttachmentState.PURGING:
            return False
        unit.attachments.save(replace(row, state=AttachmentState.PURGING, version=row.version + 1))
        return True

    def place(unit, i: int) -> bool:
        if unit.attachments.get(FILE, EVERYTHING).state is AttachmentState.PURGING or unit.holds.held(TICKET):
            return False
        unit.holds.add(Hold(HoldId(number(i)), TICKET, None, b"reason", None, None, T0, None))
        return True

    nodes[0].write(lambda unit: unit.attachments.save(replace(an_attachment(1), version=2)))
    done = race(nodes, lambda unit, i: ("purge", purge(unit)) if i % 2 else ("hold", place(unit, i)))
    assert [what for what, did in done if did] in (["purge"], ["hold"])


def test_no_file_is_finished_after_its_link_was_revoked(nodes):
    """As ``finish`` and a revocation do: one looks at the link's row, the other writes it."""

    def finish(unit, i: int) -> int | None:
        if unit.links.get(LINK, EVERYTHING).revoked_at is not None:
            return None
        unit.attachments.add(an_attachment(100 + i))
        return write_down(unit, "upload.finished")

    def work(unit, i: int) -> tuple[str, int | None]:
        if i != TRIES // 2:
            return "finished", finish(unit, i)
        unit.links.revoke(LINK, at=T0 + TICK)
        return "revoked", write_down(unit, "link.revoked")

    done = race(nodes, work)
    (revoked,) = [index for what, index in done if what == "revoked"]
    finished = [index for what, index in done if what == "finished" and index is not None]
    assert all(index < revoked for index in finished)
    rows = nodes[0].read(lambda unit: unit.attachments.of_ticket(TICKET, EVERYTHING))
    assert rows == []  # they are still being received
    assert nodes[0].read(lambda unit: sum(1 for _ in unit.inventory.all())) == 1 + len(finished)


def test_marks_are_compared_and_set_by_one_of_several_nodes(nodes):
    """As the document of the key generations is replaced."""

    def work(unit, i: int) -> bool:
        if unit.site.get("document") is not None:
            return False
        unit.site.put("document", str(i))
        return True

    assert race(nodes, work).count(True) == 1
