"""Who lives and who does not, told by leases in the database."""

from __future__ import annotations

import pytest

from keys import Node, living_nodes


@pytest.fixture
def nodes(site):
    return [Node(site.records, alone=False) for _ in range(2)]


def living(site):
    return site.records.read(lambda unit: living_nodes(unit, site.clock()))


def test_a_node_lives_from_its_first_word_to_its_silence_or_its_leave(site, nodes):
    one, other = nodes
    assert living(site) == set()
    one.beat()
    other.beat()
    assert living(site) == {one.id, other.id}
    one.leave()
    assert living(site) == {other.id}
    site.clock.go(seconds=19)
    assert living(site) == {other.id}
    site.clock.go(seconds=1)
    assert living(site) == set()


def test_a_node_counts_itself_among_the_living_whatever_its_lease_says(site, nodes):
    one, other = nodes
    other.beat()
    assert site.records.read(lambda unit: one.living(unit, site.clock())) == {one.id, other.id}


def test_who_was_given_up_judges_nobody_until_it_has_lived_again_for_as_long(site, nodes, caplog):
    one, _ = nodes
    one.beat()
    for _ in range(7):
        site.clock.go(seconds=3)
        one.beat()
    assert one.judges(site.clock())
    site.clock.go(seconds=21)
    one.beat()
    assert [record.message for record in caplog.records] == ["node was given up"]
    assert not one.judges(site.clock())
    site.clock.go(seconds=20)
    assert one.judges(site.clock())


def test_alone_there_is_nobody_to_tell_and_everybody_else_is_dead(site):
    alone = Node(site.records, alone=True)
    other = Node(site.records, alone=False)
    other.beat()
    alone.beat()
    assert living(site) == {other.id}
    assert site.records.read(lambda unit: alone.living(unit, site.clock())) == {alone.id}
    assert alone.judges(site.clock())
    alone.leave()


def test_nodes_that_ended_long_ago_are_forgotten(site, nodes):
    one, other = nodes
    one.beat()
    site.clock.go(days=1, minutes=1)
    other.beat()
    assert site.records.write(lambda unit: other.tidy(unit, site.clock())) == 1
    assert living(site) == {other.id}
