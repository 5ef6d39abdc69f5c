"""Every blob fits into 10,000 parts, and memory is bounded whatever its size and however slow the store."""

from __future__ import annotations

import hashlib
import secrets
import threading
from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from crypto import new_blob_id, sealed_size
from domain.errors import BlobsUnavailable, StorageFull
from storage.blobs.s3 import S3BlobStore
from storage.blobs.s3_parts import AHEAD, LARGEST, MOST_PARTS, PART, Budget, PartBuffer, part_size
from storage.blobs.s3_writer import S3Writer
from tests.unit.storage_blobs_s3.stub import Stub, until

MIB, GIB, TIB = 1 << 20, 1 << 30, 1 << 40


def cut(size: int, expected: int | None) -> list[int]:
    """The parts of a blob of that size."""
    parts: list[int] = []
    written = 0
    while written < size:
        length = part_size(len(parts) + 1, written, expected)
        parts.append(length)
        written += length
    return parts


def test_a_terabyte_sealed_fits_the_largest_blob() -> None:
    assert sealed_size(TIB) < LARGEST


@pytest.mark.parametrize(
    ("size", "largest"),
    [(0, 0), (1, 8), (74 * GIB, 8), (sealed_size(100 * GIB) + 1000, 11), (sealed_size(TIB), 111), (LARGEST, 111)],
)
def test_a_blob_whose_size_is_known_has_parts_alike(size: int, largest: int) -> None:
    parts = cut(size, size)
    assert len(parts) <= MOST_PARTS
    assert max(parts, default=0) == largest * MIB
    assert len(set(parts)) <= 1


@pytest.mark.parametrize("expected", [None, 0, 1, GIB])
@pytest.mark.parametrize(("size", "largest"), [(7 * GIB, 8), (12 * GIB, 19), (100 * GIB, 70), (LARGEST, 228)])
def test_a_blob_whose_size_nobody_knows_fits_all_the_same(expected: int | None, size: int, largest: int) -> None:
    parts = cut(size, expected)
    assert len(parts) <= MOST_PARTS
    assert max(parts) <= largest * MIB


@settings(deadline=None)
@given(st.integers(0, LARGEST), st.integers(0, 100 * GIB))
def test_a_forecast_may_be_wrong_by_a_hundred_gigabytes(expected: int, more: int) -> None:
    assert len(cut(min(expected + more, LARGEST), expected)) <= MOST_PARTS


def test_the_budget_gives_what_it_has() -> None:
    budget = Budget(10)
    assert budget.take(6)
    assert not budget.take(5)
    budget.give(6)
    assert budget.take(10)


def test_the_memory_of_a_small_blob_is_small() -> None:
    buffer = PartBuffer(PART, 10)
    assert len(buffer.content) == 64 << 10
    assert not buffer.fill(memoryview(bytes(65_537)))
    assert len(buffer.content) == 128 << 10
    assert buffer.seal() == bytes(65_537)


def test_whoever_writes_faster_than_the_store_takes_waits(stub: Stub, opened: Callable[..., S3BlobStore]) -> None:
    gate, held, written = threading.Event(), [], []

    def hold(operation: str) -> None:
        if operation == "upload_part":
            held.append(operation)
            gate.wait(60)

    stub.gate = hold
    store = opened()
    content = secrets.token_bytes(PART)
    blob_id = new_blob_id()

    def write() -> None:
        with store.create(blob_id, None) as writer:
            for _ in range(10):
                writer.write(content)
                written.append(PART)
            writer.commit()

    thread = threading.Thread(target=write)
    thread.start()
    until(lambda: len(held) == AHEAD + 1)
    thread.join(0.5)
    assert thread.is_alive()
    assert (len(held), len(written)) == (AHEAD + 1, AHEAD + 1)
    gate.set()
    thread.join(60)
    assert store.digest(blob_id) == hashlib.sha256(content * 10).digest()


def test_without_a_budget_everybody_still_comes_through(stub: Stub, opened: Callable[..., S3BlobStore]) -> None:
    store = opened(budget=0, uploaders=1)
    contents = {new_blob_id(): secrets.token_bytes(2 * PART + 5) for _ in range(3)}
    writers = {blob_id: store.create(blob_id, None) for blob_id in contents}
    for start in range(0, 2 * PART + 5, MIB):
        for blob_id, writer in writers.items():
            writer.write(memoryview(contents[blob_id])[start : start + MIB])
    for blob_id, writer in writers.items():
        writer.commit()
        assert store.digest(blob_id) == hashlib.sha256(contents[blob_id]).digest()


def test_what_writers_borrowed_comes_back(stub: Stub, opened: Callable[..., S3BlobStore]) -> None:
    store = opened(budget=3 * PART)
    for end in ("commit", "abort"):
        for _ in range(3):
            writer = store.create(new_blob_id(), None)
            for _ in range(6):
                writer.write(bytes(PART))
            getattr(writer, end)()
    assert store._budget.take(3 * PART)


def test_parts_that_grow_stay_within_the_budget(stub: Stub, opened: Callable[..., S3BlobStore]) -> None:
    """From the third part on each is a megabyte longer: soon there is room for one of them, then for none."""
    budget = Budget(2 * PART + MIB)
    store, blob_id = opened(), new_blob_id()
    begun = store._bucket.ask("create_multipart_upload", Key=store._bucket.place.key(blob_id))
    writer = S3Writer(
        store._bucket,
        blob_id,
        begun["UploadId"],
        None,
        executor=store._executor,
        budget=budget,
        ended=lambda: None,
        cut=lambda number, written, expected: PART + max(0, number - 2) * MIB,
    )
    content = secrets.token_bytes(12 * PART)
    for start in range(0, len(content), MIB):
        writer.write(memoryview(content)[start : start + MIB])
    assert not budget.take(2 * PART)
    writer.commit()
    assert budget.take(2 * PART + MIB)
    ((found, _),) = stub.objects.values()
    assert found == content


@pytest.mark.parametrize("expected", [LARGEST + 1, 1 << 50])
def test_a_blob_that_is_too_large_is_refused(stub: Stub, store: S3BlobStore, expected: int) -> None:
    with pytest.raises(StorageFull):
        store.create(new_blob_id(), expected)
    assert stub.asked == []


def test_a_store_that_was_closed_takes_nothing(stub: Stub, store: S3BlobStore) -> None:
    writer = store.create(new_blob_id(), None)
    store.close()
    with pytest.raises(BlobsUnavailable):
        writer.write(bytes(2 * PART))
