"""The contract of a blob store, on every engine: whole and durable under its id, or not there at all."""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from threading import Barrier

import pytest

from crypto import new_blob_id
from domain.errors import BilagaError, BlobMissing, BlobsUnavailable, StorageFull
from domain.ids import BlobId
from storage import BlobStore
from tests.contract.blobs.conftest import Store

MIB = 1 << 20
BAD_NAMES = ["", "../../etc/passwd", "A" * 32, "a" * 31, "a" * 33, "a" * 31 + "/", "a" * 32 + "\n", "a" * 32 + ".part"]


def put(store: BlobStore, content: bytes, blob_id: BlobId | None = None) -> BlobId:
    blob_id = blob_id or new_blob_id()
    with store.create(blob_id, len(content)) as writer:
        writer.write(content)
        assert writer.commit().size == len(content)
    return blob_id


def content_of(store: BlobStore, blob_id: BlobId) -> bytes:
    with store.open(blob_id) as reader:
        return bytes(reader.read_at(0, reader.size))


def together(*acts: Callable[[], object]) -> list[BaseException]:
    """Do all at once, each in its own thread; what they raised that is no error of the house."""
    barrier = Barrier(len(acts))

    def run(act: Callable[[], object]) -> None:
        barrier.wait()
        with suppress(BilagaError):
            act()

    with ThreadPoolExecutor(len(acts)) as pool:
        raised = [future.exception() for future in [pool.submit(run, act) for act in acts]]
    return [error for error in raised if error is not None]


# -- in and out --------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("size", [0, 1, 4096, MIB - 1, MIB, MIB + 1, 2 * MIB, 2 * MIB + 1])
def test_what_was_committed_reads_back(store: Store, size: int) -> None:
    content = secrets.token_bytes(size)
    blob_id = put(store, content)
    with store.open(blob_id) as reader:
        assert reader.size == size
        assert reader.read_at(0, size) == content
        assert reader.read_at(0, 1 << 40) == content
        assert reader.read_at(size // 2, 7) == content[size // 2 : size // 2 + 7]
        assert reader.read_at(size, 5) == b""
        assert reader.read_at(size + 100, 5) == b""
        assert reader.read_at(0, 0) == b""
    assert store.digest(blob_id) == hashlib.sha256(content).digest()


@pytest.mark.parametrize("piece", [1, 777, 65_536, 10 * MIB])
def test_pieces_of_any_size_are_joined_in_order(store: Store, piece: int) -> None:
    content = secrets.token_bytes(2_000 if piece == 1 else 9 * MIB + 5)
    blob_id = new_blob_id()
    with store.create(blob_id, None) as writer:
        for start in range(0, len(content), piece):
            writer.write(memoryview(content)[start : start + piece])
        assert writer.commit().size == len(content)
    assert content_of(store, blob_id) == content


def test_pieces_of_any_kind_are_bytes(store: Store) -> None:
    blob_id = new_blob_id()
    with store.create(blob_id, None) as writer:
        for piece in (b"one", memoryview(b"-two-"), memoryview(bytearray(b"three"))[1:], b"", memoryview(b"")):
            writer.write(piece)
        writer.write(memoryview(b"12345678").cast("I"))
        writer.commit()
    assert content_of(store, blob_id) == b"one-two-hree12345678"


def test_a_view_may_be_used_again_at_once(store: Store) -> None:
    blob_id = new_blob_id()
    pooled = bytearray(b"first!")
    with store.create(blob_id, None) as writer:
        writer.write(memoryview(pooled))
        pooled[:] = b"second"
        writer.write(memoryview(pooled))
        writer.commit()
    assert content_of(store, blob_id) == b"first!second"


@pytest.mark.parametrize("expected", [None, 1, 100])
def test_the_expected_size_is_a_forecast_not_a_promise(store: Store, expected: int | None) -> None:
    blob_id = new_blob_id()
    with store.create(blob_id, expected) as writer:
        writer.write(b"three")
        assert writer.commit().size == 5
    assert content_of(store, blob_id) == b"three"


def test_what_it_knows_of_a_blob(store: Store) -> None:
    blob_id = new_blob_id()
    assert store.stat(blob_id) is None
    with store.create(blob_id, 3) as writer:
        writer.write(b"abc")
        committed = writer.commit()
    found = store.stat(blob_id)
    assert found == committed
    assert found is not None
    assert (found.blob_id, found.size, found.finished) == (blob_id, 3, True)
    assert abs(found.modified_at - datetime.now(UTC)) < timedelta(minutes=10)
    assert list(store.iterate()) == [found]


def test_a_missing_blob_is_missing(store: Store) -> None:
    with pytest.raises(BlobMissing):
        store.open(new_blob_id())
    with pytest.raises(BlobMissing):
        store.digest(new_blob_id())


# -- whole or not at all -----------------------------------------------------------------------------------------------
def test_nothing_is_readable_before_the_commit(store: Store) -> None:
    blob_id = new_blob_id()
    writer = store.create(blob_id, 3)
    writer.write(b"abc")
    assert store.stat(blob_id) is None
    with pytest.raises(BlobMissing):
        store.open(blob_id)
    with pytest.raises(BlobMissing):
        store.digest(blob_id)
    assert [(found.blob_id, found.finished) for found in store.iterate()] == [(blob_id, False)]
    writer.abort()
    writer.abort()
    assert list(store.iterate()) == []


def test_what_was_ended_takes_nothing_more(store: Store) -> None:
    aborted = store.create(new_blob_id(), 3)
    aborted.abort()
    committed = store.create(new_blob_id(), 3)
    committed.commit()
    for writer in (aborted, committed):
        with pytest.raises(BlobsUnavailable):
            writer.write(b"d")
        with pytest.raises(BlobsUnavailable):
            writer.commit()
    committed.abort()
    assert [(found.size, found.finished) for found in store.iterate()] == [(0, True)]


def test_leaving_the_block_aborts_unless_committed(store: Store) -> None:
    with pytest.raises(RuntimeError), store.create(new_blob_id(), 1) as writer:
        writer.write(b"a")
        raise RuntimeError
    with store.create(new_blob_id(), 1) as writer:
        writer.write(b"a")
    assert list(store.iterate()) == []
    blob_id = new_blob_id()
    with pytest.raises(RuntimeError), store.create(blob_id, 1) as writer:
        writer.write(b"b")
        writer.commit()
        raise RuntimeError
    assert content_of(store, blob_id) == b"b"


def test_a_blob_is_never_overwritten(store: Store) -> None:
    blob_id = put(store, b"first")
    with pytest.raises(BlobsUnavailable), store.create(blob_id, 6) as writer:
        writer.write(b"second")
        writer.commit()
    assert content_of(store, blob_id) == b"first"
    assert [found.finished for found in store.iterate()] == [True]


def test_two_writers_of_one_blob_never_mix(store: Store) -> None:
    blob_id = new_blob_id()
    with store.create(blob_id, None) as writer:
        writer.write(b"first")
        with pytest.raises(BlobsUnavailable), store.create(blob_id, None) as other:
            other.write(b"second")
            other.commit()
        writer.commit()
    assert content_of(store, blob_id) == b"first"


# -- gone --------------------------------------------------------------------------------------------------------------
def test_deleting_is_complete_and_may_be_repeated(store: Store) -> None:
    kept, blob_id = put(store, b"kept"), put(store, b"gone")
    for _ in range(2):
        store.delete(blob_id)
        assert store.stat(blob_id) is None
        with pytest.raises(BlobMissing):
            store.open(blob_id)
        assert [found.blob_id for found in store.iterate()] == [kept]
    store.delete(new_blob_id())
    assert content_of(store, kept) == b"kept"


def test_deleting_takes_what_a_writer_left(store: Store) -> None:
    blob_id = new_blob_id()
    writer = store.create(blob_id, None)
    writer.write(b"half")
    store.delete(blob_id)
    assert list(store.iterate()) == []
    with pytest.raises(BlobsUnavailable):
        writer.commit()
    assert list(store.iterate()) == []
    assert store.stat(blob_id) is None


def test_a_reader_that_is_open_keeps_its_bytes_or_says_that_they_went(store: Store) -> None:
    blob_id = put(store, b"still here")
    with store.open(blob_id) as reader:
        store.delete(blob_id)
        with suppress(BlobsUnavailable):
            assert reader.read_at(0, 20) == b"still here"


@pytest.mark.parametrize("round_", range(20))
def test_a_delete_beside_a_commit_leaves_nothing(store: Store, round_: int) -> None:
    """Whoever comes first: the delete that ends after the commit began finds the part or the blob."""
    blob_id = new_blob_id()
    writer = store.create(blob_id, None)
    writer.write(b"late")
    assert together(writer.commit, lambda: store.delete(blob_id)) == []
    assert list(store.iterate()) == []


# -- listing, names, room ----------------------------------------------------------------------------------------------
def test_iterating_is_in_order_and_goes_on_after_an_id(store: Store) -> None:
    ids = sorted(put(store, secrets.token_bytes(3)) for _ in range(30))
    unfinished = [new_blob_id() for _ in range(10)]
    writers = [store.create(blob_id, None) for blob_id in unfinished]
    every = sorted(ids + unfinished)
    found = list(store.iterate())
    assert [stat.blob_id for stat in found] == every
    assert {stat.blob_id for stat in found if not stat.finished} == set(unfinished)
    assert [stat.blob_id for stat in store.iterate(after=every[11])] == every[12:]
    assert [stat.blob_id for stat in store.iterate(after=BlobId("0" * 32))] == every
    assert list(store.iterate(after=every[-1])) == []
    alike = [put(store, b"x", BlobId(f"ab{n:030x}")) for n in (1, 2, 3)]
    assert [stat.blob_id for stat in store.iterate(after=alike[0])][:2] == alike[1:]
    for writer in writers:
        writer.abort()


def test_what_goes_while_iterating_is_no_error(store: Store) -> None:
    ids = sorted(put(store, b"x") for _ in range(8))
    seen = []
    for stat in store.iterate():
        seen.append(stat.blob_id)
        store.delete(stat.blob_id)
    assert seen == ids
    assert list(store.iterate()) == []


@pytest.mark.parametrize("name", BAD_NAMES)
def test_only_the_service_names_blobs(store: Store, name: str) -> None:
    for use in (
        store.open,
        store.stat,
        store.delete,
        store.digest,
        lambda blob_id: store.create(blob_id, None),
        lambda blob_id: store.iterate(after=blob_id),
    ):
        with pytest.raises(ValueError, match="blob id"):
            use(BlobId(name))
    assert list(store.iterate()) == []


def test_what_cannot_fit_is_refused_before_anything_is_written(store: Store) -> None:
    space = store.space()
    assert 0 < space.free <= space.total
    with pytest.raises(StorageFull):
        store.create(new_blob_id(), space.total + 1)
    assert list(store.iterate()) == []


# -- threads -----------------------------------------------------------------------------------------------------------
def test_many_writers_at_once(store: Store) -> None:
    contents = {new_blob_id(): secrets.token_bytes(10_000) for _ in range(16)}
    assert together(*(lambda item=item: put(store, item[1], item[0]) for item in contents.items())) == []
    for blob_id, content in contents.items():
        assert content_of(store, blob_id) == content
    store.ping()


def test_one_of_many_writers_of_the_same_blob_wins(store: Store) -> None:
    blob_id = new_blob_id()
    together(*(lambda n=n: put(store, bytes([n]) * 5_000, blob_id) for n in range(8)))
    content = content_of(store, blob_id)
    assert content == content[:1] * 5_000
    assert [stat.finished for stat in store.iterate()] == [True]


def test_a_reader_serves_several_threads(store: Store) -> None:
    content = secrets.token_bytes(MIB)
    with store.open(put(store, content)) as reader:

        def check(start: int) -> None:
            for offset in range(start, MIB, 65_536):
                assert reader.read_at(offset, 1_000) == content[offset : offset + 1_000]

        assert together(*(lambda start=start: check(start) for start in range(0, 4_000, 1_000))) == []


def test_a_reader_that_was_closed_reads_nothing(store: Store) -> None:
    reader = store.open(put(store, b"abc"))
    reader.close()
    reader.close()
    with pytest.raises(BlobsUnavailable):
        reader.read_at(0, 1)


@pytest.mark.parametrize(("offset", "length"), [(-1, 1), (0, -1)])
def test_no_byte_lies_before_the_first(store: Store, offset: int, length: int) -> None:
    with store.open(put(store, b"abc")) as reader, pytest.raises(ValueError, match="first"):
        reader.read_at(offset, length)
