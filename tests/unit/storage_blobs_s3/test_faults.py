"""A store that answers wrong, late, half or not at all: the real client against a server that does so."""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Callable
from dataclasses import replace

import pytest

from crypto import new_blob_id
from domain.errors import BilagaError, BlobLocked, BlobsUnavailable, StorageFull
from domain.ids import BlobId
from storage import BlobStat
from storage.blobs.s3 import S3BlobStore
from tests.unit.storage_blobs_s3.stub import Answer, Fault, Stub, error, lost, refusal

MIB = 1 << 20
SMALL = b"a small blob"
LARGE = secrets.token_bytes(9 * MIB)


def commit(store: S3BlobStore, content: bytes, blob_id: BlobId | None = None) -> BlobStat:
    with store.create(blob_id or new_blob_id(), None) as writer:
        writer.write(content)
        return writer.commit()


def kept(stub: Stub, content: bytes) -> bool:
    """Whether the blob is in the store, and nothing else."""
    return [found for found, _ in stub.objects.values()] == [content] and not stub.uploads


def nothing(stub: Stub) -> bool:
    return not stub.objects and not stub.uploads


def with_etag(etag: str, **headers: str) -> Fault:
    return Fault(change=lambda answer: replace(answer, headers={**answer.headers, "ETag": f'"{etag}"', **headers}))


SAID_OK = Answer(200, refusal(500, "InternalError").body, {"Content-Type": "application/xml"})


# -- writing -----------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("fault", [error(500, "InternalError"), error(503, "SlowDown"), lost(done=False), lost()])
@pytest.mark.parametrize(
    ("operation", "content"),
    [
        ("create_upload", SMALL),
        ("put_object", SMALL),
        ("list_parts", SMALL),
        ("head_object", SMALL),
        ("abort_upload", SMALL),
        ("upload_part", LARGE),
        ("complete_upload", LARGE),
        ("head_object", LARGE),
    ],
)
def test_what_goes_wrong_once_is_asked_again(
    stub: Stub, store: S3BlobStore, operation: str, content: bytes, fault: Fault
) -> None:
    stub.faults[operation].append(fault)
    assert commit(store, content).size == len(content)
    left = [key for key, _ in stub.uploads.values()]
    assert len(left) == (operation == "create_upload" and fault == lost()), "an upload whose name nobody heard"
    assert [found for found, _ in stub.objects.values()] == [content]


@pytest.mark.parametrize(
    ("operation", "content"), [("put_object", SMALL), ("upload_part", LARGE), ("complete_upload", LARGE)]
)
@pytest.mark.parametrize(
    ("fault", "family"),
    [
        (error(500, "InternalError"), BlobsUnavailable),
        (error(503, "SlowDown"), BlobsUnavailable),
        (error(403, "AccessDenied"), BlobsUnavailable),
        (error(400, "BadDigest"), BlobsUnavailable),
        (error(403, "InvalidAccessKeyId"), BlobsUnavailable),
        (error(507, "InsufficientStorage"), StorageFull),
        (error(403, "QuotaExceeded"), StorageFull),
        (lost(done=False), BlobsUnavailable),
    ],
)
def test_what_keeps_going_wrong_leaves_nothing(
    stub: Stub, store: S3BlobStore, operation: str, content: bytes, fault: Fault, family: type[BilagaError]
) -> None:
    stub.always[operation] = fault
    with pytest.raises(family):
        commit(store, content)
    assert nothing(stub)
    del stub.always[operation]
    commit(store, content)
    assert kept(stub, content)


def test_a_complete_that_says_200_and_then_an_error_is_none(stub: Stub, store: S3BlobStore) -> None:
    stub.always["complete_upload"] = Fault(SAID_OK, done=False)
    with pytest.raises(BlobsUnavailable, match="InternalError"):
        commit(store, LARGE)
    assert nothing(stub)


def test_a_complete_that_says_200_and_an_error_once_is_repeated(stub: Stub, store: S3BlobStore) -> None:
    stub.faults["complete_upload"].append(Fault(SAID_OK, done=False))
    commit(store, LARGE)
    assert kept(stub, LARGE)


@pytest.mark.parametrize("fault", [lost(), error(500, "InternalError", done=True), Fault(SAID_OK)])
def test_a_complete_that_happened_counts_whatever_was_said(stub: Stub, store: S3BlobStore, fault: Fault) -> None:
    """The second try hears NoSuchUpload, or again nothing; what is there is what was sent."""
    stub.faults["complete_upload"].append(fault)
    commit(store, LARGE)
    assert kept(stub, LARGE)


def test_a_put_whose_answer_was_lost_is_ours_when_the_second_is_refused(stub: Stub, store: S3BlobStore) -> None:
    stub.faults["put_object"].append(lost())
    commit(store, SMALL)
    assert stub.asked.count("put_object") == 2
    assert kept(stub, SMALL)


def test_a_put_that_came_too_late_takes_nothing_of_others(stub: Stub, store: S3BlobStore) -> None:
    blob_id = new_blob_id()
    with pytest.raises(BlobsUnavailable), store.create(blob_id, None) as writer:
        writer.write(SMALL)
        stub.faults["head_object"].append(Fault(refusal(404, "NoSuchKey"), done=False))
        stub.objects[f"p/{blob_id}"] = (b"another's", hashlib.md5(b"another's").hexdigest())
        writer.commit()
    assert kept(stub, b"another's")


def test_a_store_without_conditions_is_asked_first(stub: Stub, store: S3BlobStore) -> None:
    stub.faults["put_object"].append(error(501, "NotImplemented"))
    stub.faults["complete_upload"].append(error(501, "NotImplemented"))
    first, second = commit(store, SMALL), commit(store, LARGE)
    assert {len(found) for found, _ in stub.objects.values()} == {first.size, second.size}
    assert not stub.uploads


@pytest.mark.parametrize(("operation", "content"), [("put_object", SMALL), ("upload_part", LARGE)])
def test_a_wrong_etag_is_a_wrong_part(stub: Stub, store: S3BlobStore, operation: str, content: bytes) -> None:
    stub.faults[operation].append(with_etag("0" * 32))
    with pytest.raises(BlobsUnavailable, match="does not keep"):
        commit(store, content)
    assert nothing(stub)


@pytest.mark.parametrize(("operation", "content"), [("put_object", SMALL), ("upload_part", LARGE)])
def test_under_a_managed_key_an_etag_says_nothing(
    stub: Stub, store: S3BlobStore, operation: str, content: bytes
) -> None:
    stub.always[operation] = with_etag("0" * 32, **{"x-amz-server-side-encryption": "aws:kms"})
    commit(store, content)
    assert kept(stub, content)


@pytest.mark.parametrize("content", [SMALL, LARGE])
@pytest.mark.parametrize("wrong", [{"Content-Length": "7"}, {"ETag": '"00000000000000000000000000000000-2"'}])
def test_what_is_there_after_the_commit_is_compared(
    stub: Stub, store: S3BlobStore, content: bytes, wrong: dict[str, str]
) -> None:
    asked = Fault(change=lambda answer: replace(answer, headers={**answer.headers, **wrong}))
    stub.faults["head_object"].extend([Fault(), asked])  # once before: is there one already?
    with pytest.raises(BlobsUnavailable, match="not what was written"):
        commit(store, content)
    assert nothing(stub)


def test_where_the_bucket_is_gone_no_blob_is_missing(stub: Stub, store: S3BlobStore) -> None:
    stub.always["head_object"] = stub.always["head_bucket"] = Fault(refusal(404, "NoSuchBucket"), done=False)
    with pytest.raises(BlobsUnavailable):
        store.stat(new_blob_id())
    with pytest.raises(BlobsUnavailable):
        store.open(new_blob_id())


# -- reading -----------------------------------------------------------------------------------------------------------
def blob(stub: Stub, content: bytes) -> BlobId:
    blob_id = new_blob_id()
    stub.objects[f"p/{blob_id}"] = (content, hashlib.md5(content).hexdigest())
    return blob_id


@pytest.mark.parametrize("cut", [0, 1, 300_000])
def test_a_body_that_breaks_off_is_gone_on_with(stub: Stub, store: S3BlobStore, cut: int) -> None:
    content = secrets.token_bytes(MIB)
    stub.faults["get_object"].append(Fault(cut=cut))
    with store.open(blob(stub, content)) as reader:
        assert reader.read_at(5, MIB - 10) == content[5:-5]
    assert stub.asked.count("get_object") == 2


def test_a_body_that_breaks_off_while_reading_on_is_gone_on_with(stub: Stub, store: S3BlobStore) -> None:
    content = secrets.token_bytes(4 * MIB)
    stub.faults["get_object"].extend([Fault(), Fault(cut=MIB + 100)])
    with store.open(blob(stub, content)) as reader:
        assert b"".join(reader.read_at(at, MIB) for at in range(0, 4 * MIB, MIB)) == content


def test_bodies_that_always_break_off_are_an_outage(stub: Stub, store: S3BlobStore) -> None:
    stub.always["get_object"] = Fault(cut=100)
    with store.open(blob(stub, bytes(1000))) as reader, pytest.raises(BlobsUnavailable):
        reader.read_at(0, 1000)


@pytest.mark.parametrize(
    "change",
    [
        lambda answer: replace(answer, headers={**answer.headers, "Content-Range": "bytes 0-9/1000"}),
        lambda answer: replace(answer, status=200, headers={"ETag": answer.headers["ETag"]}),
        lambda answer: replace(answer, headers={**answer.headers, "ETag": '"another"'}),
    ],
)
def test_other_bytes_than_were_asked_for_are_not_taken(
    stub: Stub, store: S3BlobStore, change: Callable[[Answer], Answer]
) -> None:
    stub.always["get_object"] = Fault(change=change)
    with store.open(blob(stub, bytes(1000))) as reader, pytest.raises(BlobsUnavailable, match="other bytes"):
        reader.read_at(10, 10)


@pytest.mark.parametrize("fault", [Fault(stall=60), Fault(drip=0.03)])
def test_a_body_that_stalls_or_drips_is_not_waited_for(stub: Stub, quick: S3BlobStore, fault: Fault) -> None:
    stub.always["get_object"] = fault
    with quick.open(blob(stub, bytes(64 << 10))) as reader, pytest.raises(BlobsUnavailable):
        reader.read_at(0, 64 << 10)


@pytest.mark.parametrize(
    ("operation", "content"),
    [("create_upload", SMALL), ("put_object", SMALL), ("upload_part", LARGE), ("complete_upload", LARGE)],
)
def test_a_store_that_hangs_is_not_waited_for(stub: Stub, quick: S3BlobStore, operation: str, content: bytes) -> None:
    stub.always[operation] = Fault(stall=60, done=False)
    with pytest.raises(BlobsUnavailable):
        commit(quick, content)
    assert nothing(stub)


# -- removing, listing -------------------------------------------------------------------------------------------------
def test_a_delete_that_says_done_and_is_not_is_found_out(stub: Stub, store: S3BlobStore) -> None:
    stub.always["delete_object"] = Fault(Answer(204), done=False)
    with pytest.raises(BlobsUnavailable, match="still there"):
        store.delete(blob(stub, SMALL))


def test_an_abort_that_says_done_and_is_not_is_found_out(stub: Stub, store: S3BlobStore) -> None:
    blob_id = new_blob_id()
    writer = store.create(blob_id, None)
    stub.always["abort_upload"] = Fault(Answer(204), done=False)
    with pytest.raises(BlobsUnavailable, match="still there"):
        store.delete(blob_id)
    writer.abort()


@pytest.mark.parametrize("code", ["AccessDenied", "MethodNotAllowed"])
def test_a_delete_that_is_refused_is_named(stub: Stub, store: S3BlobStore, code: str) -> None:
    stub.always["delete_object"] = error(403, code)
    with pytest.raises(BlobLocked, match=code):
        store.delete(blob(stub, SMALL))


@pytest.mark.parametrize("operation", ["delete_object", "list_versions", "list_uploads"])
@pytest.mark.parametrize("fault", [error(500, "InternalError"), error(403, "InvalidAccessKeyId"), lost(done=False)])
def test_a_delete_that_fails_is_an_outage(stub: Stub, store: S3BlobStore, operation: str, fault: Fault) -> None:
    stub.always[operation] = fault
    with pytest.raises(BlobsUnavailable):
        store.delete(blob(stub, SMALL))


@pytest.mark.parametrize("code", ["NotImplemented", "MissingContentMD5", "AccessDenied"])
def test_where_many_at_once_is_refused_they_go_one_by_one(stub: Stub, store: S3BlobStore, code: str) -> None:
    stub.always["delete_objects"] = error(501 if code == "NotImplemented" else 400, code)
    assert store.delete_all([blob(stub, SMALL) for _ in range(3)]) == {}
    assert stub.asked.count("delete_object") == 3
    assert nothing(stub)


def test_of_many_that_were_said_to_be_gone_those_that_are_not_are_named(stub: Stub, store: S3BlobStore) -> None:
    ids = sorted(blob(stub, SMALL) for _ in range(3))
    stub.always["delete_objects"] = stub.always["delete_object"] = Fault(Answer(204), done=False)
    assert list(store.delete_all(ids)) == ids
    del stub.always["delete_object"]
    assert store.delete_all(ids) == {}


@pytest.mark.parametrize("operation", ["delete_objects", "list_versions", "list_uploads"])
@pytest.mark.parametrize("fault", [error(500, "InternalError"), lost(done=False)])
def test_while_the_store_is_down_nothing_is_known_of_many(
    stub: Stub, store: S3BlobStore, operation: str, fault: Fault
) -> None:
    stub.always[operation] = fault
    with pytest.raises(BlobsUnavailable):
        store.delete_all([blob(stub, SMALL)])


def test_a_bucket_that_was_versioned_meanwhile_loses_its_versions_too(stub: Stub, store: S3BlobStore) -> None:
    """A plain delete only hides them; the listing tells."""
    blob_id = blob(stub, SMALL)
    stub.faults["delete_object"].append(Fault(Answer(204), done=False))
    store.delete(blob_id)
    assert stub.asked.count("delete_object") == 2
    assert nothing(stub)


def test_a_listing_that_never_ends_is_an_outage(stub: Stub, store: S3BlobStore) -> None:
    page = b"<ListVersionsResult><IsTruncated>true</IsTruncated><NextKeyMarker>p/a</NextKeyMarker></ListVersionsResult>"
    stub.always["list_versions"] = Fault(Answer(200, page, {"Content-Type": "application/xml"}))
    with pytest.raises(BlobsUnavailable, match="without end"):
        list(store.iterate())
