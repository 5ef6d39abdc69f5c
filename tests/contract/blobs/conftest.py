"""The engines that one suite is run for. A further engine is one more word here and one more way to make it."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Protocol

import pytest

from storage import BlobStore, Digesting
from storage.blobs.file import FileBlobStore
from storage.blobs.memory import MemoryBlobStore
from storage.blobs.retrying import RetryingBlobStore
from storage.blobs.s3 import S3BlobStore
from tests.contract.blobs.buckets import SERVERS, Server


class Store(BlobStore, Digesting, Protocol):
    """What every engine of ours can do."""


def s3(server: str, kind: str) -> S3BlobStore:
    """A store under a prefix of its own, in a bucket of the run's."""
    where = SERVERS[server]
    return S3BlobStore(where.url(where.bucket(kind), f"test/{secrets.token_hex(8)}"), session=where.session)


ENGINES: dict[str, Callable[[Path], Store]] = {
    "memory": lambda _: MemoryBlobStore(),
    "retrying": lambda _: RetryingBlobStore(MemoryBlobStore()),
    "file": lambda folder: FileBlobStore(folder / "blobs"),
    "s3-ceph": lambda _: s3("ceph", "plain"),
    "s3-ceph-versioned": lambda _: s3("ceph", "versioned"),
    "s3-seaweedfs": lambda _: s3("seaweedfs", "plain"),
    "s3-seaweedfs-versioned": lambda _: s3("seaweedfs", "versioned"),
}


@pytest.fixture(params=ENGINES)
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Store]:
    made = ENGINES[request.param](tmp_path)
    yield made
    made.close()


@pytest.fixture(params=SERVERS)
def server(request: pytest.FixtureRequest) -> Server:
    """Each store that speaks S3, for what only those have."""
    return SERVERS[request.param]


@pytest.fixture(scope="session", autouse=True)
def _cleared() -> Iterator[None]:
    yield
    for server in SERVERS.values():
        server.clear()
