"""The contract of a blob store, on every engine: whole and durable under its id, or not there at all."""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Callable
from pathlib import Path
from threading import Thread

import pytest

from crypto import new_blob_id
from domain.errors import BlobMissing, BlobsUnavailable, StorageFull
from domain.ids import BlobId
from storage.blobs.file import FileBlobStore
from storage.blobs.memory import MemoryBlobStore

Store = FileBlobStore | MemoryBlobStore
ENGINES: dict[str, Callable[[Path], Store]] = {
    "memory": lambda _: MemoryBlobStore(),
    "file": lambda folder: FileBlobStore(folder / "blobs"),
}


@pytest.fixture(params=ENGINES)
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Store:
    return ENGINES[request.param](tmp_path)


def put(store: Store, content: bytes, blob_id: BlobId | None = None) -> BlobId:
    blob_id = blob_id or new_blob_id()
    with store.create(blob_id, len(content)) as writer:
        writer.write(content)
        assert writer.commit().size == len(content)
    return blob_id


@pytest.mark.parametrize("size", [0, 1, 4096, (1 << 20) + 1])
def test_what_was_committed_reads_back(store: Store, size: int) -> None:
    content = secrets.token_bytes(size)
    blob_id = put(store, content)
    with store.open(blob_id) as reader:
        assert reader.size == size
        assert reader.read_at(0, size + 10) == content
        assert reader.read_at(size // 2, 7) == content[size // 2 : size // 2 + 7]
        assert reader.read_at(size, 5) == b""
    found = store.stat(blob_id)
    assert found is not None
    assert (found.blob_id, found.size, found.finished) == (blob_id, size, True)
    assert store.digest(blob_id) == hashlib.sha256(content).digest()


def test_pieces_of_any_kind_are_joined_in_order(store: Store) -> None:
    blob_id = new_blob_id()
    with store.create(blob_id, None) as writer:
        for piece in (b"one", memoryview(b"-two-"), memoryview(bytearray(b"three"))[1:], b""):
            writer.write(piece)
        writer.commit()
    with store.open(blob_id) as reader:
        assert reader.read_at(0, 100) == b"one-two-hree"


def test_nothing_is_readable_before_the_commit(store: Store) -> None:
    blob_id = new_blob_id()
    writer = store.create(blob_id, 3)
    writer.write(b"abc")
    assert store.stat(blob_id) is None
    with pytest.raises(BlobMissing):
        store.open(blob_id)
    assert [found.finished for found in store.iterate()] == [False]
    writer.abort()
    writer.abort()
    assert list(store.iterate()) == []
    with pytest.raises(BlobsUnavailable):
        writer.write(b"d")
    with pytest.raises(BlobsUnavailable):
        writer.commit()


def test_leaving_the_block_aborts_unless_committed(store: Store) -> None:
    blob_id = new_blob_id()
    with pytest.raises(RuntimeError), store.create(blob_id, 1) as writer:
        writer.write(b"a")
        raise RuntimeError
    assert list(store.iterate()) == []
    put(store, b"b", blob_id)
    assert store.stat(blob_id) is not None


def test_a_blob_is_never_overwritten(store: Store) -> None:
    blob_id = put(store, b"first")
    with pytest.raises(BlobsUnavailable), store.create(blob_id, 6) as writer:
        writer.write(b"second")
        writer.commit()
    with store.open(blob_id) as reader:
        assert reader.read_at(0, 10) == b"first"


def test_deleting_is_complete_and_may_be_repeated(store: Store) -> None:
    blob_id = put(store, b"gone")
    store.delete(blob_id)
    assert store.stat(blob_id) is None
    store.delete(blob_id)
    store.delete(new_blob_id())
    unfinished = new_blob_id()
    store.create(unfinished, None).write(b"half")
    store.delete(unfinished)
    assert list(store.iterate()) == []


def test_a_reader_that_is_open_keeps_its_bytes(store: Store) -> None:
    blob_id = put(store, b"still here")
    with store.open(blob_id) as reader:
        store.delete(blob_id)
        assert reader.read_at(0, 20) == b"still here"


def test_iterating_is_in_order_and_goes_on_after_an_id(store: Store) -> None:
    ids = sorted(put(store, secrets.token_bytes(3)) for _ in range(30))
    assert [found.blob_id for found in store.iterate()] == ids
    assert [found.blob_id for found in store.iterate(after=ids[11])] == ids[12:]


@pytest.mark.parametrize(
    "name", ["", "../../etc/passwd", "A" * 32, "a" * 31, "a" * 33, "a" * 31 + "/", "a" * 32 + "\n"]
)
def test_only_the_service_names_blobs(store: Store, name: str) -> None:
    for use in (store.open, store.stat, store.delete, lambda blob_id: store.create(blob_id, None)):
        with pytest.raises(ValueError, match="blob id"):
            use(BlobId(name))


def test_what_cannot_fit_is_refused_before_anything_is_written(store: Store) -> None:
    with pytest.raises(StorageFull):
        store.create(new_blob_id(), store.space().free + (1 << 20))
    assert list(store.iterate()) == []


def test_many_writers_at_once(store: Store) -> None:
    contents = {new_blob_id(): secrets.token_bytes(10_000) for _ in range(16)}
    threads = [Thread(target=put, args=(store, content, blob_id)) for blob_id, content in contents.items()]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for blob_id, content in contents.items():
        with store.open(blob_id) as reader:
            assert reader.read_at(0, 10_000) == content
    store.ping()
