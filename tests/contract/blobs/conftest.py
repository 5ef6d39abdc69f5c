"""The engines that one suite is run for. A further engine is one more word here and one more way to make it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Protocol

import pytest

from storage import BlobStore, Digesting
from storage.blobs.file import FileBlobStore
from storage.blobs.memory import MemoryBlobStore


class Store(BlobStore, Digesting, Protocol):
    """What every engine of ours can do."""


ENGINES: dict[str, Callable[[Path], Store]] = {
    "memory": lambda _: MemoryBlobStore(),
    "file": lambda folder: FileBlobStore(folder / "blobs"),
}


@pytest.fixture(params=ENGINES)
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Store]:
    made = ENGINES[request.param](tmp_path)
    yield made
    made.close()
