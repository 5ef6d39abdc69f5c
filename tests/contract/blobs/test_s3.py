"""What a store in a bucket must keep besides the contract: nodes, versions, markers, locks; on each real one."""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

import pytest

from crypto import new_blob_id
from domain.errors import BlobLocked, BlobMissing, BlobsUnavailable, Misconfigured
from domain.ids import BlobId
from storage.blobs.s3 import S3BlobStore
from storage.blobs.s3_bucket import Patience
from storage.blobs.s3_reader import WINDOW
from tests.contract.blobs.buckets import Server

MIB = 1 << 20
KINDS = ["plain", "versioned"]
SIZES = [5, 9 * MIB]


@dataclass
class Nodes:
    """A bucket and a prefix in it, and as many nodes as a test opens there."""

    server: Server
    kind: str
    prefix: str = field(default_factory=lambda: f"test/{secrets.token_hex(8)}")
    opened: list[S3BlobStore] = field(default_factory=list)

    @property
    def bucket(self) -> str:
        return self.server.bucket(self.kind)

    @property
    def client(self):
        return self.server.client

    def node(self, *, bucket: str | None = None, query: str = "", **settings) -> S3BlobStore:
        url = self.server.url(bucket or self.bucket, self.prefix) + query
        store = S3BlobStore(url, session=self.server.session, **settings)
        self.opened.append(store)
        return store

    def key(self, blob_id: BlobId) -> str:
        return f"{self.prefix}/{blob_id}"

    def remains(self) -> list[str]:
        return self.server.remains(self.bucket, self.prefix)


@pytest.fixture(params=KINDS)
def nodes(request: pytest.FixtureRequest, server: Server) -> Iterator[Nodes]:
    made = Nodes(server, request.param)
    yield made
    for store in made.opened:
        store.close()


@pytest.fixture
def locked(server: Server) -> Iterator[Nodes]:
    made = Nodes(server, "locked")
    yield made
    for store in made.opened:
        store.close()


def put(store: S3BlobStore, content: bytes, blob_id: BlobId | None = None, expected: int | None = None) -> BlobId:
    blob_id = blob_id or new_blob_id()
    with store.create(blob_id, expected) as writer:
        writer.write(content)
        assert writer.commit().size == len(content)
    return blob_id


# -- parts and ranges --------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("size", [8 * MIB - 1, 8 * MIB, 8 * MIB + 1, 24 * MIB, 40 * MIB + 3])
def test_a_blob_in_parts_is_whole(nodes: Nodes, size: int) -> None:
    content = secrets.token_bytes(size)
    store = nodes.node()
    blob_id = put(store, content)
    assert store.digest(blob_id) == hashlib.sha256(content).digest()
    assert nodes.remains() == [f"version {nodes.key(blob_id)}"]
    assert nodes.node().stat(blob_id) == store.stat(blob_id)


def test_reading_on_and_reading_elsewhere_may_be_mixed(nodes: Nodes) -> None:
    content = secrets.token_bytes(WINDOW + 5 * MIB + 7)
    store = nodes.node()
    with store.open(put(store, content)) as reader:
        at = 0
        while piece := reader.read_at(at, MIB - 11):
            assert piece == content[at : at + MIB - 11]
            at += len(piece)
            if at % 3 == 0:
                assert reader.read_at(at // 2, 1000) == content[at // 2 : at // 2 + 1000]
        assert at == len(content)
        assert reader.read_at(len(content) - 10, 100) == content[-10:]


@pytest.mark.parametrize("size", SIZES)
def test_a_blob_that_was_given_up_leaves_nothing(nodes: Nodes, size: int) -> None:
    store = nodes.node()
    with store.create(new_blob_id(), None) as writer:
        writer.write(bytes(size))
    assert nodes.remains() == []


# -- several nodes -----------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("size", SIZES)
def test_a_blob_that_another_node_deletes_is_not_committed(nodes: Nodes, size: int) -> None:
    here, there = nodes.node(), nodes.node()
    blob_id = new_blob_id()
    writer = here.create(blob_id, None)
    writer.write(bytes(size))
    assert [(one.blob_id, one.finished) for one in there.iterate()] == [(blob_id, False)]
    there.delete(blob_id)
    assert list(here.iterate()) == []
    with pytest.raises(BlobsUnavailable):
        writer.commit()
    assert nodes.remains() == []


@pytest.mark.parametrize("size", SIZES)
def test_what_another_node_wrote_is_not_overwritten(nodes: Nodes, size: int) -> None:
    here, there = nodes.node(), nodes.node()
    blob_id = new_blob_id()
    late = here.create(blob_id, None)
    late.write(b"b" * size)
    put(there, b"a" * size, blob_id)
    with pytest.raises(BlobsUnavailable):
        late.commit()
    assert here.digest(blob_id) == hashlib.sha256(b"a" * size).digest()
    assert nodes.remains() == [f"version {nodes.key(blob_id)}"]


def test_what_a_dead_node_left_is_found_and_taken_away(nodes: Nodes) -> None:
    blob_id = new_blob_id()
    begun = nodes.client.create_multipart_upload(Bucket=nodes.bucket, Key=nodes.key(blob_id))
    where = {"Bucket": nodes.bucket, "Key": nodes.key(blob_id), "UploadId": begun["UploadId"]}
    nodes.client.upload_part(**where, PartNumber=1, Body=b"half a part")
    nodes.client.create_multipart_upload(Bucket=nodes.bucket, Key=nodes.key(blob_id))
    store = nodes.node()
    (found,) = store.iterate()
    assert (found.blob_id, found.size, found.finished) == (blob_id, 11, False)
    assert abs(found.modified_at - datetime.now(UTC)) < timedelta(minutes=10)
    assert list(store.iterate(after=blob_id)) == []
    store.delete(blob_id)
    assert nodes.remains() == []


# -- what lies beside a blob -------------------------------------------------------------------------------------------
def test_deleting_takes_every_version_and_marker(server: Server) -> None:
    nodes = Nodes(server, "versioned")
    store = nodes.node()
    blob_id = put(store, b"first")
    where = {"Bucket": nodes.bucket, "Key": nodes.key(blob_id)}
    for content in (b"second", b"third"):
        nodes.client.put_object(**where, Body=content)
        nodes.client.delete_object(**where)
    assert len(nodes.remains()) == 5
    assert store.stat(blob_id) is None
    with pytest.raises(BlobMissing):
        store.open(blob_id)
    # Hidden, but still there: whoever sweeps must see it.
    assert [(one.blob_id, one.size, one.finished) for one in store.iterate()] == [(blob_id, 16, False)]
    store.delete(blob_id)
    assert nodes.remains() == []
    store.close()


def test_what_is_not_ours_is_left_alone(nodes: Nodes) -> None:
    store = nodes.node()
    blob_id = put(store, b"ours")
    strangers = [f"{nodes.key(blob_id)}{tail}" for tail in ("x", "/a", ".part")] + [f"{nodes.prefix}/notes.txt"]
    for key in strangers:
        nodes.client.put_object(Bucket=nodes.bucket, Key=key, Body=b"theirs")
    assert [one.blob_id for one in store.iterate()] == [blob_id]
    store.delete(blob_id)
    assert sorted(nodes.remains()) == sorted(f"version {key}" for key in strangers)


def test_a_bucket_that_is_gone_is_an_outage_and_no_missing_blob(server: Server) -> None:
    nodes = Nodes(server, "plain")
    store = nodes.node(bucket=f"bilaga-none-{secrets.token_hex(6)}")
    for ask in (store.stat, store.open, store.delete, store.digest):
        with pytest.raises(BlobsUnavailable):
            ask(new_blob_id())
    with pytest.raises(BlobsUnavailable):
        list(store.iterate())
    if server.name != "seaweedfs":  # which makes a bucket for whoever writes into it
        with pytest.raises(BlobsUnavailable):
            store.ping()
        with pytest.raises(BlobsUnavailable):
            store.create(new_blob_id(), None)
    store.close()


# -- many at once ------------------------------------------------------------------------------------------------------
def keys_of(nodes: Nodes, ids: Iterable[BlobId]) -> list[str]:
    for blob_id in ids:
        nodes.client.put_object(Bucket=nodes.bucket, Key=nodes.key(blob_id), Body=b"x")
    return sorted(f"version {nodes.key(blob_id)}" for blob_id in ids)


@pytest.mark.parametrize("every", [1, 2, 40], ids=lambda every: f"every {every}.")
def test_many_are_removed_at_once_and_nothing_else(nodes: Nodes, every: int) -> None:
    """Beside one another, or few among others: the bucket is looked through in another way."""
    ids = sorted(new_blob_id() for _ in range(130))
    going, staying = ids[::every], [one for at, one in enumerate(ids) if at % every]
    keys_of(nodes, going)
    kept = keys_of(nodes, staying)
    store = nodes.node()
    first, last = BlobId("0" * 32), BlobId("f" * 32)
    put(store, b"first", first)
    put(store, b"last", last)
    assert store.delete_all([*reversed(going), first, last, new_blob_id()]) == {}
    assert sorted(nodes.remains()) == kept
    assert store.delete_all(going) == store.delete_all([]) == {}
    assert len(list(store.iterate())) == len(kept)


def test_many_are_removed_with_what_lies_beside_them(server: Server) -> None:
    nodes = Nodes(server, "versioned")
    store = nodes.node()
    ids = [put(store, b"x") for _ in range(12)]
    for blob_id in ids[:6]:
        nodes.client.put_object(Bucket=nodes.bucket, Key=nodes.key(blob_id), Body=b"again")
        nodes.client.delete_object(Bucket=nodes.bucket, Key=nodes.key(blob_id))
        nodes.client.create_multipart_upload(Bucket=nodes.bucket, Key=nodes.key(blob_id))
    late = store.create(new_blob_id(), None)
    late.write(b"half")
    assert store.delete_all([*ids, *(stat.blob_id for stat in store.iterate())]) == {}
    assert nodes.remains() == []
    with pytest.raises(BlobsUnavailable):
        late.commit()
    store.close()


def test_of_many_only_those_that_are_locked_stay(locked: Nodes) -> None:
    store = locked.node()
    ids = sorted(put(store, b"x") for _ in range(15))
    held = {"Bucket": locked.bucket, "Key": locked.key(ids[7])}
    locked.client.put_object_legal_hold(**held, LegalHold={"Status": "ON"})
    failed = store.delete_all(ids)
    assert [(blob_id, type(error)) for blob_id, error in failed.items()] == [(ids[7], BlobLocked)]
    assert locked.remains() == [f"version {locked.key(ids[7])}"]
    locked.client.put_object_legal_hold(**held, LegalHold={"Status": "OFF"})
    assert store.delete_all(ids) == {}
    assert locked.remains() == []


# -- locks -------------------------------------------------------------------------------------------------------------
def test_a_version_under_retention_is_named_and_goes_when_it_may(locked: Nodes) -> None:
    store = locked.node()
    blob_id = put(store, b"kept")
    until = datetime.now(UTC) + timedelta(days=2)
    where = {"Bucket": locked.bucket, "Key": locked.key(blob_id)}
    locked.client.put_object_retention(**where, Retention={"Mode": "GOVERNANCE", "RetainUntilDate": until})
    with pytest.raises(BlobLocked, match=f"governance.* keeps it until {until:%Y-%m-%d}"):
        store.delete(blob_id)
    (version,) = locked.client.list_object_versions(Bucket=locked.bucket, Prefix=locked.key(blob_id))["Versions"]
    locked.client.delete_object(**where, VersionId=version["VersionId"], BypassGovernanceRetention=True)
    store.delete(blob_id)
    assert locked.remains() == []


def test_a_version_under_legal_hold_is_named_and_goes_when_it_may(locked: Nodes) -> None:
    store = locked.node()
    blob_id = put(store, b"kept")
    where = {"Bucket": locked.bucket, "Key": locked.key(blob_id)}
    locked.client.put_object_legal_hold(**where, LegalHold={"Status": "ON"})
    with pytest.raises(BlobLocked, match="legal hold"):
        store.delete(blob_id)
    assert store.stat(blob_id) is not None
    locked.client.put_object_legal_hold(**where, LegalHold={"Status": "OFF"})
    store.delete(blob_id)
    assert locked.remains() == []


def test_a_locked_version_does_not_keep_the_others(locked: Nodes) -> None:
    store = locked.node()
    blob_id = put(store, b"kept")
    where = {"Bucket": locked.bucket, "Key": locked.key(blob_id)}
    locked.client.put_object_legal_hold(**where, LegalHold={"Status": "ON"})
    locked.client.put_object(**where, Body=b"not kept")
    with pytest.raises(BlobLocked):
        store.delete(blob_id)
    assert len(locked.remains()) == 1
    locked.client.put_object_legal_hold(**where, LegalHold={"Status": "OFF"})
    store.delete(blob_id)


# -- the start ---------------------------------------------------------------------------------------------------------
@pytest.fixture
def own(server: Server) -> Iterator[Callable[..., str]]:
    """Makes buckets for one test."""
    made: list[str] = []

    def make(**settings) -> str:
        made.append(f"bilaga-test-{secrets.token_hex(6)}")
        server.client.create_bucket(Bucket=made[-1], **settings)
        return made[-1]

    yield make
    for name in made:
        server.client.delete_bucket(Bucket=name)


def rule(**what) -> dict[str, object]:
    return {"Rules": [{"ID": "theirs", "Status": "Enabled", "Filter": {"Prefix": ""}, **what}]}


def test_a_good_bucket_is_taken_and_left_as_it_was(nodes: Nodes) -> None:
    store = nodes.node()
    store.check_start()
    assert nodes.remains() == []
    store.ping()
    assert nodes.remains() == []
    put(store, b"and then")


def test_no_bucket_stops_the_start(server: Server) -> None:
    nodes = Nodes(server, "plain")
    with pytest.raises(Misconfigured, match="STORAGE_URL: there is no bucket"):
        nodes.node(bucket=f"bilaga-none-{secrets.token_hex(6)}").check_start()


@pytest.mark.parametrize("name", ["AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"])
def test_wrong_credentials_stop_the_start_and_later_are_an_outage(
    server: Server, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    url = server.url(server.bucket("plain"), "test/strangers")
    monkeypatch.setenv(name, "nobodysnobodysnobody")
    store = S3BlobStore(url)
    with pytest.raises(Misconfigured, match="STORAGE_URL: the store does not know these credentials"):
        store.check_start()
    with pytest.raises(BlobsUnavailable):
        store.ping()
    with pytest.raises(BlobsUnavailable):
        store.stat(new_blob_id())
    store.close()


def test_object_lock_with_a_default_stops_the_start(server: Server, own: Callable[..., str]) -> None:
    bucket = own(ObjectLockEnabledForBucket=True)
    server.client.put_object_lock_configuration(
        Bucket=bucket,
        ObjectLockConfiguration={
            "ObjectLockEnabled": "Enabled",
            "Rule": {"DefaultRetention": {"Mode": "COMPLIANCE", "Days": 7}},
        },
    )
    with pytest.raises(Misconfigured, match=r"STORAGE_URL: .*Object Lock keeps .* 7 days \(compliance\)"):
        Nodes(server, "locked").node(bucket=bucket).check_start()


def test_a_rule_that_erases_blobs_stops_the_start(server: Server, own: Callable[..., str]) -> None:
    bucket = own()
    node = Nodes(server, "plain").node(bucket=bucket)
    server.client.put_bucket_lifecycle_configuration(
        Bucket=bucket, LifecycleConfiguration=rule(Expiration={"Days": 30})
    )
    with pytest.raises(Misconfigured, match="STORAGE_URL: lifecycle rule “theirs” erases blobs"):
        node.check_start()
    elsewhere = rule(Expiration={"Days": 30}, Filter={"Prefix": "elsewhere/"})
    server.client.put_bucket_lifecycle_configuration(Bucket=bucket, LifecycleConfiguration=elsewhere)
    node.check_start()


def test_what_the_operator_should_know_is_in_the_log(
    nodes: Nodes, own: Callable[..., str], caplog: pytest.LogCaptureFixture
) -> None:
    def findings() -> set[str]:
        found = {vars(record)["finding"] for record in caplog.records if record.message == "blobs.bucket"}
        caplog.clear()
        return found

    nodes.node().check_start()
    assert findings() >= {"no-rule-for-unfinished-uploads"} | ({"versioned"} if nodes.kind == "versioned" else set())
    bucket = own()
    tidy = rule(AbortIncompleteMultipartUpload={"DaysAfterInitiation": 7})
    nodes.client.put_bucket_lifecycle_configuration(Bucket=bucket, LifecycleConfiguration=tidy)
    nodes.node(bucket=bucket).check_start()
    assert findings() == set()


def test_a_bucket_outside_the_allowed_regions_stops_the_start(server: Server) -> None:
    nodes = Nodes(server, "plain")
    if server.name == "ceph":  # whose zone group says where it is
        with pytest.raises(Misconfigured, match="STORAGE_URL: the bucket is in default, ALLOWED_REGIONS takes eu-"):
            nodes.node(allowed_regions=("eu-north-1", "eu-central-1")).check_start()
        nodes.node(allowed_regions=("eu-north-1", "default")).check_start()
    else:  # which does not say
        with pytest.raises(Misconfigured, match="STORAGE_URL: the store does not say in which region"):
            nodes.node(allowed_regions=("eu-north-1", "us-east-1")).check_start()
    for store in nodes.opened:
        store.close()


def test_a_store_that_does_not_answer_is_an_outage(server: Server) -> None:
    quick = Patience(connect=1, read=1, attempts=1)
    url = f"s3://{server.bucket('plain')}/x?endpoint=http://127.0.0.1:1"
    store = S3BlobStore(url, patience=quick, session=server.session)
    for ask in (store.check_start, store.ping, lambda: store.stat(new_blob_id())):
        with pytest.raises(BlobsUnavailable):
            ask()
    store.close()
