from __future__ import annotations

from dataclasses import replace

import pytest

from domain.errors import StateConflict
from domain.ids import TicketId
from storage.records import Answer, Mail, Records
from tests.contract.records.given import HOUR, T0, TICK, at_once, digest, number

# -- leases ------------------------------------------------------------------------------------------------------------


def take(records: Records, owner: str, now=T0, until=T0 + HOUR, name: str = "purge") -> int | None:
    return records.write(lambda unit: unit.leases.take(name, owner=owner, now=now, until=until))


def holds(records: Records, fence: int | None, now=T0) -> bool:
    assert fence is not None
    return records.write(lambda unit: unit.leases.holds("purge", fence=fence, now=now))


def test_a_lease_is_one_owners(records):
    assert take(records, "a") == 1
    assert take(records, "b") is None
    assert take(records, "b", name="rewrap") == 1


def test_prolonging_keeps_the_number(records):
    assert take(records, "a") == 1
    assert take(records, "a", now=T0 + HOUR - TICK, until=T0 + 2 * HOUR) == 1
    assert holds(records, 1, now=T0 + 2 * HOUR - TICK)
    assert take(records, "b", now=T0 + HOUR) is None


def test_a_lease_that_ran_out_is_taken_under_a_new_number(records):
    assert take(records, "a") == 1
    assert take(records, "b", now=T0 + HOUR, until=T0 + 2 * HOUR) == 2
    assert not holds(records, 1, now=T0 + HOUR)
    assert holds(records, 2, now=T0 + HOUR)


def test_even_the_last_owner_takes_a_lease_that_ran_out_anew(records):
    assert take(records, "a") == 1
    assert take(records, "a", now=T0 + HOUR, until=T0 + 2 * HOUR) == 2


def test_a_lease_holds_until_its_end(records):
    take(records, "a")
    assert holds(records, 1, now=T0 + HOUR - TICK)
    assert not holds(records, 1, now=T0 + HOUR)
    assert not holds(records, 2)


def test_a_lease_nobody_took_does_not_hold(records):
    assert not holds(records, 0)
    assert not holds(records, 1)


def test_the_number_grows_even_after_giving_up(records):
    numbers = []
    for owner in ("a", "a", "b", "a"):
        fence = take(records, owner)
        numbers.append(fence)
        records.write(lambda unit, fence=fence: unit.leases.give_up("purge", fence=fence))
        assert not holds(records, fence)
    assert numbers == [1, 2, 3, 4]


def test_only_the_present_number_gives_up(records):
    take(records, "a")
    take(records, "b", now=T0 + HOUR, until=T0 + 2 * HOUR)
    records.write(lambda unit: unit.leases.give_up("purge", fence=1))
    assert holds(records, 2, now=T0 + HOUR)


def test_leases_of_the_dead_end_when_their_site_is_served_again(records):
    assert take(records, "a") == 1
    assert records.write(lambda unit: unit.leases.end_all()) == 1
    assert not holds(records, 1)
    assert take(records, "b") == 2
    assert records.write(lambda unit: unit.leases.end_all()) == 1
    assert records.write(lambda unit: unit.leases.end_all()) == 0


def test_of_takers_at_once_one_gets_it(records):
    got = at_once(16, lambda i: take(records, f"owner {i}"))
    assert sorted(got, key=str) == [1] + [None] * 15


def test_of_takers_of_a_lease_that_ran_out_one_gets_it(records):
    take(records, "first")
    got = at_once(16, lambda i: take(records, f"owner {i}", now=T0 + HOUR, until=T0 + 2 * HOUR))
    assert sorted(got, key=str) == [2] + [None] * 15


def test_the_living_are_those_of_the_prefix_whose_lease_runs(records):
    take(records, "x", name="node:a")
    take(records, "x", name="node:b", until=T0 + TICK)
    take(records, "x", name="nodes")
    take(records, "x", name="purge")
    living = lambda now: records.read(lambda unit: unit.leases.living("node:", now=now))  # noqa: E731
    assert living(T0) == {"node:a", "node:b"}
    assert living(T0 + TICK) == {"node:a"}
    assert living(T0 + HOUR) == frozenset()


def test_leases_that_were_over_long_ago_are_forgotten(records):
    take(records, "x", name="node:a", until=T0 + TICK)
    take(records, "x", name="node:b")
    take(records, "x", name="purge", until=T0 + TICK)
    assert records.write(lambda unit: unit.leases.forget("node:", before=T0 + HOUR)) == 1
    assert take(records, "y", name="node:a", now=T0 + 2 * TICK) == 1
    assert take(records, "y", now=T0 + 2 * TICK) == 2


# -- outbox ------------------------------------------------------------------------------------------------------------


def a_mail(n: int, *, next_at=T0, expires_at=T0 + HOUR) -> Mail:
    return Mail(id=number(n), sealed=b"mail", attempts=0, next_at=next_at, expires_at=expires_at)


def test_mails_wait_for_their_time_oldest_first(records):
    mails = [a_mail(1, next_at=T0 + TICK), a_mail(2), a_mail(3, next_at=T0 + 2 * TICK), a_mail(4, expires_at=T0)]
    records.write(lambda unit: [unit.outbox.add(mail) for mail in mails])
    assert records.read(lambda unit: unit.outbox.waiting(T0 + TICK, limit=10)) == [mails[1], mails[0]]
    assert records.read(lambda unit: unit.outbox.waiting(T0 + TICK, limit=1)) == [mails[1]]


def test_a_failed_try_is_counted_and_put_off(records):
    records.write(lambda unit: unit.outbox.add(a_mail(1)))
    records.write(lambda unit: unit.outbox.put_off(number(1), next_at=T0 + TICK))
    assert records.read(lambda unit: unit.outbox.waiting(T0, limit=10)) == []
    (mail,) = records.read(lambda unit: unit.outbox.waiting(T0 + TICK, limit=10))
    assert (mail.attempts, mail.next_at) == (1, T0 + TICK)


def test_what_was_sent_or_expired_leaves(records):
    mails = [a_mail(1), a_mail(2, expires_at=T0 + TICK), a_mail(3)]
    records.write(lambda unit: [unit.outbox.add(mail) for mail in mails])
    records.write(lambda unit: unit.outbox.remove(number(1)))
    assert records.write(lambda unit: unit.outbox.sweep(T0 + TICK)) == 1
    assert records.read(lambda unit: unit.outbox.waiting(T0, limit=10)) == [mails[2]]


# -- answers -----------------------------------------------------------------------------------------------------------

KEY = digest("key")


def begin(records: Records, now=T0, expires_at=T0 + HOUR, key: bytes = KEY, node: str = "a") -> Answer | None:
    return records.write(lambda unit: unit.answers.begin(key, node=node, now=now, expires_at=expires_at))


def complete(records: Records, node: str = "a") -> None:
    records.write(lambda unit: unit.answers.complete(KEY, node=node, fingerprint=digest("body"), sealed=b"answer"))


RUNNING = Answer(key_digest=KEY, fingerprint=None, sealed=None, expires_at=T0 + HOUR, node="a")
DONE = Answer(key_digest=KEY, fingerprint=digest("body"), sealed=b"answer", expires_at=T0 + HOUR, node="a")


def test_a_free_key_is_claimed_and_then_seen_running(records):
    assert begin(records) is None
    assert begin(records) == RUNNING
    assert begin(records, key=digest("another")) is None


def test_an_answer_is_repeated(records):
    begin(records)
    complete(records)
    assert begin(records) == DONE
    assert begin(records, now=T0 + HOUR - TICK) == DONE


def test_an_expired_answer_is_as_good_as_none(records):
    begin(records)
    complete(records)
    assert begin(records, now=T0 + HOUR, expires_at=T0 + 2 * HOUR) is None
    assert begin(records, now=T0 + HOUR) == Answer(KEY, None, None, T0 + 2 * HOUR, "a")


def test_of_claims_at_once_one_wins_and_the_others_see_it(records):
    got = at_once(16, lambda _: begin(records))
    assert sorted(got, key=str) == [RUNNING] * 15 + [None]


def test_a_key_that_came_to_nothing_is_free_again(records):
    begin(records)
    records.write(lambda unit: unit.answers.forget(KEY, node="a"))
    assert begin(records) is None


def test_an_answer_that_was_given_is_not_forgotten(records):
    begin(records)
    complete(records)
    records.write(lambda unit: unit.answers.forget(KEY, node="a"))
    assert begin(records) == DONE


def test_nobody_completes_what_is_not_claimed_or_is_answered(records):
    with pytest.raises(StateConflict):
        complete(records)
    begin(records)
    complete(records)
    with pytest.raises(StateConflict):
        complete(records)


def test_after_a_restart_nothing_runs(records):
    begin(records)
    complete(records)
    begin(records, key=digest("running"))
    assert records.write(lambda unit: unit.answers.free(())) == 1
    assert begin(records) == DONE
    assert begin(records, key=digest("running")) is None


def test_a_key_is_freed_where_its_node_is_not_among_the_living(records):
    begin(records, node="living")
    begin(records, key=digest("dead"), node="dead")
    assert records.write(lambda unit: unit.answers.free({"living", "another"})) == 1
    assert begin(records, node="another") is not None
    assert begin(records, key=digest("dead"), node="another") is None


def test_a_node_that_was_given_up_completes_and_forgets_nothing_of_another(records):
    begin(records, node="paused")
    records.write(lambda unit: unit.answers.free({"heir"}))
    begin(records, node="heir")
    with pytest.raises(StateConflict):
        complete(records, node="paused")
    records.write(lambda unit: unit.answers.forget(KEY, node="paused"))
    complete(records, node="heir")
    found = begin(records)
    assert found is not None
    assert (found.sealed, found.node) == (b"answer", "heir")


def test_expired_answers_are_swept(records):
    begin(records)
    begin(records, key=digest("later"), expires_at=T0 + HOUR + TICK)
    assert records.write(lambda unit: unit.answers.sweep(T0 + HOUR)) == 1
    assert begin(records, key=digest("later")) is not None


# -- site --------------------------------------------------------------------------------------------------------------


def test_a_mark_is_kept_and_set_anew(records):
    assert records.read(lambda unit: unit.site.get("installation")) is None
    records.write(lambda unit: unit.site.put("installation", "one"))
    records.write(lambda unit: unit.site.put("installation", "två"))
    records.write(lambda unit: unit.site.put("other", ""))
    assert records.read(lambda unit: unit.site.get("installation")) == "två"
    assert records.read(lambda unit: unit.site.get("other")) == ""


def test_mails_about_a_ticket_go_with_it(records):
    mine, other, nobodys = (
        replace(a_mail(n), ticket_id=None if ticket is None else TicketId(number(ticket)))
        for n, ticket in ((1, 1), (2, 2), (3, None))
    )

    def add(unit):
        for mail in (mine, other, nobodys):
            unit.outbox.add(mail)

    records.write(add)
    assert records.write(lambda unit: unit.outbox.remove_of_ticket(TicketId(number(1)))) == 1
    left = records.read(lambda unit: list(unit.outbox.waiting(T0, limit=9)))
    assert left == [other, nobodys]
