"""Whatever happens in a ticket system, in whatever order it is heard of and with whatever is lost on the way: after one
whole round, what is known here is the truth there."""

from __future__ import annotations

import tempfile
from pathlib import Path

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from domain.actor import EVERYTHING, SYSTEM
from domain.ticket import Standing, TicketStatus
from tests.desks.following import NAME, FollowingSite

IDS = ("1", "2", "3", "4")
STEPS = st.lists(
    st.tuples(
        st.sampled_from(
            ["change", "close", "move", "trash", "spam", "back", "merge", "forget", "tell", "poll", "wait"]
        ),
        st.sampled_from(IDS),
        st.sampled_from(IDS),
    ),
    max_size=25,
)


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(STEPS)
def test_one_whole_round_makes_everything_true(steps):
    with tempfile.TemporaryDirectory() as folder:
        site = FollowingSite(Path(folder))
        try:
            heard = []
            for one in IDS:
                site.desk.open(one)
            for step in steps:
                heard += [site.desk.told(one) for one in site.desk.tickets.values()]
                happen(site, heard, *step)
            site.clock.go(days=1)
            site.round(full=True)
            check(site)
        finally:
            site.close()


def happen(site, heard, what, one, other):
    desk, there = site.desk, site.desk.tickets.get(one)
    if what == "poll":
        site.round()
    elif what == "wait":
        site.clock.go(hours=1)
    elif what == "tell":  # an old word is heard again, late and twice
        for source in heard[-3::2]:
            read_at = site.clock()
            site.records.write(
                lambda unit, source=source, read_at=read_at: site.facts.apply(
                    unit, SYSTEM, NAME, source, read_at=read_at
                )
            )
    elif there is None:
        return
    elif what == "change":
        desk.change(one)
    elif what == "close":
        desk.change(one, status=TicketStatus.CLOSED)
    elif what == "move":
        desk.change(one, organisation=other)
    elif what == "forget":
        desk.forget(one)
    elif what == "merge":
        if other != one and other in desk.tickets and desk.tickets[other].standing is Standing.PRESENT:
            desk.stand(one, Standing.MERGED, other)
    else:
        standing = {"trash": Standing.TRASHED, "spam": Standing.SPAM, "back": Standing.PRESENT}[what]
        desk.stand(one, standing)


def end_of(desk, one):
    """The ticket that it goes on as, by its id; None where that is not there any more or goes in a circle."""
    seen = [one]
    while one in desk.tickets and desk.tickets[one].standing is Standing.MERGED:
        one = desk.tickets[one].merged_into
        if one in seen:
            return None
        seen.append(one)
    return one


def check(site):
    desk = site.desk
    for one in IDS:
        known = site.records.read(lambda unit, one=one: unit.tickets.by_source(NAME, one))
        there = desk.tickets.get(one)
        if there is None:
            if known is not None and known.merged_into is None:
                assert known.standing is Standing.GONE
            continue
        assert known is not None
        assert known.source_version == there.version
        if there.standing is not Standing.MERGED:
            assert (known.standing, known.status, known.merged_into) == (there.standing, there.status, None)
            assert organisation(site, known) == there.organisation
            continue
        whole = end_of(desk, one)
        if whole is not None and whole in desk.tickets:
            target = site.records.read(lambda unit, whole=whole: unit.tickets.by_source(NAME, whole))
            assert known.merged_into == target.id
            assert (known.status, known.organisation_id) == (target.status, target.organisation_id)


def organisation(site, ticket):
    if ticket.organisation_id is None:
        return None
    return site.records.read(lambda unit: unit.organisations.by_id(ticket.organisation_id, EVERYTHING)).ref
