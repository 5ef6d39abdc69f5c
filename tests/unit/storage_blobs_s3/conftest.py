from __future__ import annotations

from collections.abc import Callable, Iterator

import boto3
import pytest

from storage.blobs.s3 import S3BlobStore
from storage.blobs.s3_bucket import Patience
from tests.unit.storage_blobs_s3.stub import Stub, running

QUICK = Patience(connect=2, read=0.4, attempts=2)


@pytest.fixture(scope="session")
def session() -> boto3.session.Session:
    return boto3.session.Session(aws_access_key_id="stub", aws_secret_access_key="stub")


@pytest.fixture
def stub() -> Iterator[Stub]:
    with running(Stub()) as made:
        yield made


@pytest.fixture
def opened(stub: Stub, session: boto3.session.Session) -> Iterator[Callable[..., S3BlobStore]]:
    """Opens stores in the stub."""
    made: list[S3BlobStore] = []

    def open_(**settings) -> S3BlobStore:
        made.append(S3BlobStore(stub.url, session=session, **{"patience": Patience(2, 20, 2), **settings}))
        return made[-1]

    yield open_
    for store in made:
        store.close()


@pytest.fixture
def store(opened: Callable[..., S3BlobStore]) -> S3BlobStore:
    return opened()


@pytest.fixture
def quick(opened: Callable[..., S3BlobStore]) -> S3BlobStore:
    """One that waits less than half a second for a byte."""
    return opened(patience=QUICK)
