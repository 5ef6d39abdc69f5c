"""What every place of a managed ring's document promises, and two nodes' rings on each."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing

import pytest

from crypto.key_managed import ManagedKeyRing
from keys import RecordsDocuments
from storage.records.postgres import PostgresRecords
from storage.records.sqlite import DATABASE, SqliteRecords, open_site
from tests.contract.keyring.memory_master import MemoryMaster
from tests.contract.keyring.places import NOW, MemoryDocuments, much_later
from tests.contract.records.databases import databases_of_tests

ENGINES = ["memory", "sqlite", "postgres"]


@pytest.fixture(scope="module")
def databases():
    with databases_of_tests() as made:
        yield made


@pytest.fixture(params=ENGINES)
def node(request, tmp_path):
    """Gives the same place, each time as another node has it."""
    with ExitStack() as stack:
        match request.param:
            case "memory":
                documents = MemoryDocuments()
                yield lambda: documents
            case "sqlite":
                stack.enter_context(closing(open_site(tmp_path, much_later)))
                yield lambda: RecordsDocuments(
                    stack.enter_context(
                        closing(SqliteRecords(tmp_path / DATABASE, clock=much_later, checkpoints=False, readers=1))
                    )
                )
            case "postgres":
                url = stack.enter_context(request.getfixturevalue("databases").new())
                yield lambda: RecordsDocuments(stack.enter_context(closing(PostgresRecords(url, connections=1))))


def test_there_is_none_at_first(node):
    assert node().load() is None


def test_it_is_replaced_by_who_knows_the_one_before_alone(node):
    first, second = node(), node()
    assert not first.replace(b"{}", b"{1}")
    assert first.replace(None, b"{1}")
    assert not second.replace(None, b"{2}")
    assert not second.replace(b"{0}", b"{2}")
    assert second.load() == b"{1}"
    assert second.replace(b"{1}", b"{2}")
    assert first.load() == b"{2}"


def test_it_is_replaced_once_however_many_try(node):
    nodes = [node(), node()]
    nodes[0].replace(None, b"{}")
    with ThreadPoolExecutor(8) as threads:
        done = list(threads.map(lambda n: nodes[n % 2].replace(b"{}", b"{%d}" % n), range(16)))
    assert done.count(True) == 1
    assert nodes[1].load() == b"{%d}" % done.index(True)


def test_it_can_be_large(node):
    large = b"x" * (1 << 20)
    assert node().replace(None, large)
    assert node().load() == large


def test_two_nodes_rotate_and_make_secrets_at_once(node):
    master = MemoryMaster()
    places = [node(), node()]
    ManagedKeyRing.create(master, places[0], lambda: NOW)
    rings = [ManagedKeyRing(master, place, much_later) for place in places]

    def work(n):
        ring = rings[n % 2]
        return ring.rotate(NOW).number, ring.secret("shared").reveal(), ring.secret(f"own-{n}").reveal()

    with ThreadPoolExecutor(8) as threads:
        done = list(threads.map(work, range(8)))
    assert sorted(number for number, _, _ in done) == list(range(2, 10))
    assert len({secret for _, secret, _ in done}) == 1
    last = ManagedKeyRing(master, places[0], much_later)
    assert [last.secret(f"own-{n}").reveal() for n in range(8)] == [own for _, _, own in done]
    assert len(last.generations()) == 9
