"""A store behind a network: what is repeated, what never is, and what happens while it is down."""

from __future__ import annotations

import hashlib
from collections import deque
from collections.abc import Callable, Collection

import pytest

from crypto import new_blob_id
from domain.errors import BilagaError, BlobMissing, BlobsUnavailable, StorageFull
from domain.ids import BlobId
from storage.blobs.retrying import RetryingBlobStore
from tests.unit.storage_retrying.flaky import FlakyStore, Time

CONTENT = b"sealed bytes" * 100


@pytest.fixture
def time() -> Time:
    return Time()


@pytest.fixture
def inner(time: Time) -> FlakyStore:
    return FlakyStore(time)


@pytest.fixture
def store(inner: FlakyStore, time: Time) -> RetryingBlobStore:
    return RetryingBlobStore(inner, failures=3, sleep=time.sleep, monotonic=time)


@pytest.fixture
def blob_id(inner: FlakyStore) -> BlobId:
    return put(inner)


def put(store: FlakyStore | RetryingBlobStore) -> BlobId:
    made = new_blob_id()
    with store.create(made, len(CONTENT)) as writer:
        writer.write(CONTENT)
        writer.commit()
    return made


def read(store: RetryingBlobStore, blob_id: BlobId) -> bytes:
    with store.open(blob_id) as reader:
        return reader.read_at(0, reader.size)


REPEATABLE: dict[str, tuple[Callable[[RetryingBlobStore, BlobId], object], object]] = {
    "open": (read, CONTENT),
    "read_at": (read, CONTENT),
    "stat": (lambda store, blob_id: store.stat(blob_id).size, len(CONTENT)),
    "delete": (lambda store, blob_id: store.delete(blob_id), None),
    "digest": (lambda store, blob_id: store.digest(blob_id), hashlib.sha256(CONTENT).digest()),
    "iterate": (lambda store, _: [stat.size for stat in store.iterate()], [len(CONTENT)]),
    "step": (lambda store, _: [stat.size for stat in store.iterate()], [len(CONTENT)]),
}


@pytest.mark.parametrize("call", REPEATABLE)
def test_what_may_be_asked_twice_is_asked_until_it_goes_well(store, inner, time, blob_id, call):
    ask, expected = REPEATABLE[call]
    inner.fail(call, 2)
    inner.asked.clear()
    assert ask(store, blob_id) == expected
    assert inner.asked[call] == 3
    assert len(time.slept) == 2
    assert 0.5 <= time.slept[0] <= 1.5
    assert 1 <= time.slept[1] <= 3


@pytest.mark.parametrize("call", REPEATABLE)
def test_after_the_last_try_the_error_is_told(store, inner, blob_id, call):
    inner.fail(call, 3)
    inner.asked.clear()
    with pytest.raises(BlobsUnavailable):
        REPEATABLE[call][0](store, blob_id)
    assert inner.asked[call] == 3


@pytest.mark.parametrize("call", REPEATABLE)
def test_what_waited_for_a_time_out_is_not_asked_again(store, inner, time, blob_id, call):
    inner.takes = 5
    inner.fail(call, 1)
    inner.asked.clear()
    with pytest.raises(BlobsUnavailable):
        REPEATABLE[call][0](store, blob_id)
    assert inner.asked[call] == 1
    assert time.slept == []


def test_whether_it_is_well_just_now_is_asked_once(store, inner):
    inner.fail("ping", 1)
    with pytest.raises(BlobsUnavailable):
        store.ping()
    assert inner.asked["ping"] == 1


@pytest.mark.parametrize("call", ["create", "write", "commit"])
def test_nothing_of_a_writer_is_ever_repeated(store, inner, time, call):
    inner.fail(call, 1)
    with pytest.raises(BlobsUnavailable):
        put(store)
    assert inner.asked[call] == 1
    assert time.slept == []
    assert list(inner.iterate()) == []


@pytest.mark.parametrize("error", [BlobMissing, StorageFull])
def test_an_answer_is_an_answer(store, inner, time, blob_id, error):
    inner.fail("open", 5, error)
    with pytest.raises(error):
        store.open(blob_id)
    assert inner.asked["open"] == 1


def test_a_listing_goes_on_where_it_broke_off(store, inner):
    there = sorted(put(inner) for _ in range(9))
    for broken_at in range(9):
        inner.failing["step"] = deque([*[None] * broken_at, BlobsUnavailable(), BlobsUnavailable()])
        assert [stat.blob_id for stat in store.iterate()] == there
    inner.fail("iterate", 1)
    assert [stat.blob_id for stat in store.iterate(there[3])] == there[4:]


def test_names_are_looked_at_before_anything_is_asked(store, inner):
    with pytest.raises(ValueError, match="blob id"):
        store.iterate(BlobId("../x"))
    assert not inner.asked


def test_a_closed_blob_is_not_asked_again_and_says_nothing_of_the_store(store, inner, blob_id):
    reader = store.open(blob_id)
    reader.close()
    for _ in range(9):
        with pytest.raises(BlobsUnavailable, match="closed"):
            reader.read_at(0, 1)
    assert inner.asked["read_at"] == 9
    assert inner.asked["ping"] == 0


# -- down --------------------------------------------------------------------------------------------------------------
def failing(store: RetryingBlobStore, blob_id: BlobId) -> None:
    with pytest.raises(BlobsUnavailable):
        store.stat(blob_id)


def test_a_store_that_is_down_is_left_alone_and_comes_back_by_itself(store, inner, time, blob_id, caplog):
    caplog.set_level("INFO")
    inner.down = True
    for _ in range(4):
        failing(store, blob_id)
    assert inner.asked["stat"] == 3 * 3
    before = inner.asked.total()
    for ask, _ in REPEATABLE.values():
        with pytest.raises(BlobsUnavailable):
            ask(store, blob_id)
    with pytest.raises(BlobsUnavailable):
        store.create(new_blob_id(), 1)
    with pytest.raises(BlobsUnavailable):
        store.space()
    assert inner.asked.total() == before
    time.now += 5
    failing(store, blob_id)
    assert inner.asked.total() == before + 1  # one asks, and it asks for a sign of life alone
    failing(store, blob_id)
    assert inner.asked.total() == before + 1
    inner.down = False
    failing(store, blob_id)
    time.now += 5
    assert read(store, blob_id) == CONTENT
    store.space()
    assert [one.message for one in caplog.records if one.message in {"blobs.down", "blobs.back"}] == [
        "blobs.down",
        "blobs.back",
    ]


def test_one_blob_that_cannot_be_had_closes_nothing_for_the_others(store, inner, blob_id):
    for _ in range(9):
        inner.fail("open", 3)
        with pytest.raises(BlobsUnavailable):
            store.open(blob_id)
        inner.fail("open", 0)
        assert read(store, blob_id) == CONTENT
    for _ in range(9):
        inner.fail("open", 3)
        with pytest.raises(BlobsUnavailable):
            store.open(blob_id)
    assert inner.asked["ping"] > 0
    assert store.stat(blob_id) is not None


def test_uploads_that_fail_tell_of_an_outage_and_what_is_under_way_ends_in_its_own_way(store, inner, blob_id):
    reader = store.open(blob_id)
    first, second, third, last = (store.create(new_blob_id(), None) for _ in range(4))
    inner.down = True
    for fail in (lambda: first.write(CONTENT), second.commit, third.commit):
        with pytest.raises(BlobsUnavailable):
            fail()
    with pytest.raises(BlobsUnavailable):
        store.create(new_blob_id(), None)
    assert (inner.asked["create"], inner.asked["ping"]) == (5, 1)
    inner.down = False
    last.write(CONTENT)
    assert reader.read_at(0, len(CONTENT)) == CONTENT
    assert last.commit().size == len(CONTENT)
    assert read(store, put(store)) == CONTENT


def test_a_store_that_is_full_answers(store, inner, blob_id):
    for _ in range(3):
        inner.fail("stat", 3)
        failing(store, blob_id)
    inner.fail("ping", 1, StorageFull)
    assert store.stat(blob_id) is not None
    assert inner.asked["ping"] == 1


def test_one_failure_is_enough_to_ask(inner, time, blob_id):
    store = RetryingBlobStore(inner, sleep=time.sleep, monotonic=time)
    inner.fail("stat", 3)
    failing(store, blob_id)
    assert store.stat(blob_id) is not None
    time.now += 5
    inner.down = True
    failing(store, blob_id)
    asked = inner.asked["stat"]
    for _ in range(9):
        failing(store, blob_id)
    assert (inner.asked["stat"], inner.asked["ping"]) == (asked, 2)


def test_closing_closes_the_store_behind(store, inner):
    store.close()
    assert inner.closed


class Clears:
    """Removes many at once from a flaky store."""

    def __init__(self, inner: FlakyStore) -> None:
        self.inner = inner

    def delete_all(self, blob_ids: Collection[BlobId]) -> dict[BlobId, BilagaError]:
        self.inner.meet("delete_all")
        for blob_id in blob_ids:
            self.inner.delete(blob_id)
        return {}


def test_many_at_once_are_asked_for_again(inner: FlakyStore, time: Time, blob_id: BlobId) -> None:
    store = RetryingBlobStore(inner, clearing=Clears(inner), sleep=time.sleep, monotonic=time)
    inner.fail("delete_all", 2)
    assert store.delete_all([blob_id]) == {}
    assert inner.asked["delete_all"] == 3
    assert store.stat(blob_id) is None


def test_a_store_that_removes_one_by_one_names_what_stays(store: RetryingBlobStore, inner: FlakyStore) -> None:
    first, second = put(inner), put(inner)
    inner.fail("delete", 3)
    kept = store.delete_all([first, second])
    assert list(kept) == [first]
    assert isinstance(kept[first], BlobsUnavailable)
    assert store.stat(second) is None
