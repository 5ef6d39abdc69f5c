"""What stops a start, in which words: for stores, and rights, that cannot be had here."""

from __future__ import annotations

import io
from typing import Any

import pytest
from botocore.exceptions import ClientError, EndpointConnectionError, NoCredentialsError

from domain.errors import BlobsUnavailable, Misconfigured
from storage.blobs.s3_bucket import Bucket
from storage.blobs.s3_place import Place
from storage.blobs.s3_start import PROBE, StartCheck

AWS = Place("vault", "a/", None, "eu-north-1")
OTHER = Place("vault", "a/", "https://s3.example", "eu-north-1")


def refused(status: int, code: str) -> ClientError:
    said: Any = {"Error": {"Code": code}, "ResponseMetadata": {"HTTPStatusCode": status}}
    return ClientError(said, "operation")


class FakeBucket(Bucket):
    """A bucket of which all is well but what a test says: an answer, or what is raised."""

    def __init__(self, place: Place, **said: Any) -> None:
        self.place = place
        self.conditional = False
        self.said = said
        self.probes: set[str] = set()
        self.uploads: set[str] = set()

    def ask(self, operation: str, **arguments: Any) -> dict[str, Any]:
        said = self.said.get(operation)
        if isinstance(said, Exception):
            raise said
        return said if said is not None else getattr(self, operation)(**arguments)

    def list_objects_v2(self, **_: Any) -> dict[str, Any]:
        return {}

    def get_bucket_location(self) -> dict[str, Any]:
        return {"LocationConstraint": "eu-north-1"}

    def get_bucket_versioning(self) -> dict[str, Any]:
        return {}

    def get_object_lock_configuration(self) -> dict[str, Any]:
        raise refused(404, "ObjectLockConfigurationNotFoundError")

    def get_bucket_lifecycle_configuration(self) -> dict[str, Any]:
        raise refused(404, "NoSuchLifecycleConfiguration")

    def get_bucket_replication(self) -> dict[str, Any]:
        raise refused(501, "NotImplemented")

    def put_object(self, Key: str, IfNoneMatch: str | None = None, **_: Any) -> dict[str, Any]:  # noqa: N803
        if IfNoneMatch and Key in self.probes:
            raise refused(412, "PreconditionFailed")
        self.probes.add(Key)
        return {}

    def get_object(self, **_: Any) -> dict[str, Any]:
        return {"Body": io.BytesIO(PROBE)}

    def list_object_versions(self, **_: Any) -> dict[str, Any]:
        facts = {"VersionId": "null", "Size": 5, "LastModified": None, "IsLatest": True}
        return {"Versions": [{"Key": key, **facts} for key in self.probes]}

    def delete_object(self, Key: str, **_: Any) -> dict[str, Any]:  # noqa: N803
        self.probes.discard(Key)
        return {}

    def head_object(self, **_: Any) -> dict[str, Any]:
        raise refused(404, "404")

    def head_bucket(self) -> dict[str, Any]:
        return {}

    def create_multipart_upload(self, Key: str) -> dict[str, Any]:  # noqa: N803
        self.uploads.add(Key)
        return {"UploadId": "u"}

    def list_multipart_uploads(self, **_: Any) -> dict[str, Any]:
        return {"Uploads": [{"Key": key, "UploadId": "u", "Initiated": None} for key in self.uploads]}

    def list_parts(self, Key: str, **_: Any) -> dict[str, Any]:  # noqa: N803
        if Key not in self.uploads:
            raise refused(404, "NoSuchUpload")
        return {}

    def abort_multipart_upload(self, Key: str, **_: Any) -> dict[str, Any]:  # noqa: N803
        self.uploads.discard(Key)
        return {}


def check(place: Place = OTHER, regions: tuple[str, ...] = (), **said: Any) -> FakeBucket:
    bucket = FakeBucket(place, **said)
    StartCheck(bucket, regions).run()
    return bucket


def rules(*rules: dict[str, Any]) -> dict[str, Any]:
    return {"Rules": [{"ID": "theirs", "Status": "Enabled", **rule} for rule in rules]}


@pytest.mark.parametrize("place", [AWS, OTHER])
def test_a_good_bucket_is_taken(place: Place) -> None:
    bucket = check(place, ("eu-north-1",))
    assert bucket.conditional
    assert not bucket.probes
    assert not bucket.uploads


def test_a_store_that_heeds_no_condition_is_taken_and_known() -> None:
    class Heedless(FakeBucket):
        def put_object(self, Key: str, IfNoneMatch: str | None = None, **_: Any) -> dict[str, Any]:  # noqa: N803
            self.probes.add(Key)
            return {}

    bucket = Heedless(OTHER)
    StartCheck(bucket, ()).run()
    assert not bucket.conditional


# -- where it is -------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("place", "said", "regions", "why"),
    [
        (AWS, "eu-west-1", (), "the bucket is in eu-west-1, not in eu-north-1"),
        (AWS, None, (), "the bucket is in us-east-1, not in eu-north-1"),
        (AWS, "EU", (), "the bucket is in eu-west-1, not in eu-north-1"),
        (AWS, "eu-north-1", ("eu-west-1", "eu-west-3"), "in eu-north-1, ALLOWED_REGIONS takes eu-west-1, eu-west-3"),
        (OTHER, "us-west-2", ("eu-north-1",), "in us-west-2, ALLOWED_REGIONS takes eu-north-1"),
        (OTHER, None, ("eu-north-1",), "does not say in which region"),
        (OTHER, "", ("us-east-1",), "does not say in which region"),
    ],
)
def test_a_bucket_elsewhere_stops_the_start(place: Place, said: str, regions: tuple[str, ...], why: str) -> None:
    with pytest.raises(Misconfigured, match=f"^STORAGE_URL: .*{why}"):
        check(place, regions, get_bucket_location={"LocationConstraint": said})


def test_where_a_bucket_is_may_not_be_kept_from_us() -> None:
    with pytest.raises(Misconfigured, match=r"refuses s3:GetBucketLocation \(AccessDenied\)"):
        check(OTHER, ("eu-north-1",), get_bucket_location=refused(403, "AccessDenied"))
    check(OTHER, (), get_bucket_location=refused(403, "AccessDenied"))


def test_copies_are_out_of_sight_of_the_allowed_regions(caplog: pytest.LogCaptureFixture) -> None:
    copied = {"ReplicationConfiguration": {"Rules": [{"Status": "Enabled"}]}}
    with pytest.raises(Misconfigured, match="replicated"):
        check(OTHER, ("eu-north-1",), get_bucket_replication=copied)
    check(OTHER, (), get_bucket_replication=copied)
    assert "replicated" in [vars(record).get("finding") for record in caplog.records]
    check(OTHER, ("eu-north-1",), get_bucket_replication={"ReplicationConfiguration": {"Role": ""}})


# -- what it keeps, and loses ------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("said", "why"),
    [
        ({"get_bucket_versioning": {"Status": "Enabled", "MFADelete": "Enabled"}}, "MFA Delete"),
        (
            {
                "get_object_lock_configuration": {
                    "ObjectLockConfiguration": {"Rule": {"DefaultRetention": {"Mode": "GOVERNANCE", "Years": 1}}}
                }
            },
            r"Object Lock keeps whatever is written for 1 years \(governance\)",
        ),
        ({"get_bucket_lifecycle_configuration": rules({"Expiration": {"Days": 1}})}, "“theirs” erases blobs"),
        ({"get_bucket_lifecycle_configuration": rules({"Expiration": {"Days": 1}, "Prefix": "a/"})}, "erases"),
        (
            {"get_bucket_lifecycle_configuration": rules({"Expiration": {"Date": 1}, "Filter": {"Prefix": "a"}})},
            "erases",
        ),
        (
            {
                "get_bucket_lifecycle_configuration": rules(
                    {"Expiration": {"Days": 1}, "Filter": {"And": {"Prefix": "a/b", "ObjectSizeGreaterThan": 5}}}
                )
            },
            "erases blobs",
        ),
        (
            {"get_bucket_lifecycle_configuration": rules({"Transitions": [{"Days": 1}], "ID": "a\nb"})},
            "without a name moves",
        ),
    ],
)
def test_what_would_break_a_promise_stops_the_start(said: dict[str, Any], why: str) -> None:
    with pytest.raises(Misconfigured, match=f"^STORAGE_URL: .*{why}"):
        check(**said)


@pytest.mark.parametrize(
    "rule",
    [
        {"Expiration": {"ExpiredObjectDeleteMarker": True}},
        {"NoncurrentVersionExpiration": {"NoncurrentDays": 1}},
        {"Expiration": {"Days": 1}, "Filter": {"Prefix": "b/"}},
        {"Expiration": {"Days": 1}, "Filter": {"Tag": {"Key": "k", "Value": "v"}}},
        {"Expiration": {"Days": 1}, "Status": "Disabled"},
        {"AbortIncompleteMultipartUpload": {"DaysAfterInitiation": 7}},
    ],
)
def test_a_rule_that_takes_no_blob_is_none_of_ours(rule: dict[str, Any]) -> None:
    check(get_bucket_lifecycle_configuration=rules(rule))


# -- what may be done --------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("operation", "action"),
    [
        ("list_objects_v2", "s3:ListBucket"),
        ("get_bucket_versioning", "s3:GetBucketVersioning"),
        ("get_object_lock_configuration", "s3:GetBucketObjectLockConfiguration"),
        ("get_bucket_lifecycle_configuration", "s3:GetLifecycleConfiguration"),
        ("get_bucket_replication", "s3:GetReplicationConfiguration"),
        ("put_object", "s3:PutObject"),
        ("get_object", "s3:GetObject"),
        ("list_object_versions", "s3:ListBucketVersions"),
        ("delete_object", "s3:DeleteObject"),
        ("head_object", "s3:ListBucket"),
        ("create_multipart_upload", "s3:PutObject"),
        ("list_multipart_uploads", "s3:ListBucketMultipartUploads"),
        ("list_parts", "s3:ListMultipartUploadParts"),
        ("abort_multipart_upload", "s3:AbortMultipartUpload"),
    ],
)
def test_a_right_that_is_missing_is_named(operation: str, action: str) -> None:
    with pytest.raises(Misconfigured, match=rf"^STORAGE_URL: the store refuses {action} \(\w+\)$"):
        StartCheck(FakeBucket(OTHER, **{operation: refused(403, "AccessDenied")}), ()).run()


@pytest.mark.parametrize(
    ("error", "why"),
    [
        (refused(404, "NoSuchBucket"), "there is no bucket “vault”"),
        (refused(403, "InvalidAccessKeyId"), "does not know these credentials"),
        (refused(403, "SignatureDoesNotMatch"), "does not know these credentials"),
        (refused(403, "RequestTimeTooSkewed"), "clock"),
        (refused(301, "PermanentRedirect"), "another region"),
        (refused(400, "AuthorizationHeaderMalformed"), "another region"),
        (NoCredentialsError(), "finds no credentials"),
    ],
)
def test_whoever_may_not_come_in_is_told_why(error: Exception, why: str) -> None:
    with pytest.raises(Misconfigured, match=f"^STORAGE_URL: .*{why}"):
        check(list_objects_v2=error)


@pytest.mark.parametrize(
    "error", [refused(503, "SlowDown"), EndpointConnectionError(endpoint_url="https://s3.example")]
)
def test_a_store_that_is_down_is_not_called_wrong(error: Exception) -> None:
    with pytest.raises(BlobsUnavailable):
        check(list_objects_v2=error)
    with pytest.raises(BlobsUnavailable):
        check(get_bucket_versioning=error)


@pytest.mark.parametrize(
    ("said", "why"),
    [
        ({"get_object": {"Body": io.BytesIO(b"other")}}, "other bytes"),
        ({"delete_object": {}}, "does not go away"),
        ({"list_object_versions": {}}, "does not go away"),
        ({"abort_multipart_upload": {}}, "does not go away"),
        ({"list_multipart_uploads": {}}, "does not list unfinished uploads"),
    ],
)
def test_a_store_that_does_not_do_what_it_says_stops_the_start(said: dict[str, Any], why: str) -> None:
    with pytest.raises(Misconfigured, match=f"^STORAGE_URL: .*{why}"):
        check(**said)
