"""The address of a bucket is read strictly: whatever is not understood stops the start."""

from __future__ import annotations

import pytest

from crypto import new_blob_id
from domain.errors import Misconfigured
from storage.blobs.s3 import S3BlobStore
from storage.blobs.s3_place import Place, parse_place


@pytest.mark.parametrize(
    ("url", "place"),
    [
        ("s3://vault", Place("vault", "", None, None)),
        ("s3://vault/", Place("vault", "", None, None)),
        ("s3://vault/a/b/?region=eu-north-1", Place("vault", "a/b/", None, "eu-north-1")),
        ("s3://my.vault/a?endpoint=https://s3.example:9000", Place("my.vault", "a/", "https://s3.example:9000", None)),
        ("s3://vault?endpoint=http://127.0.0.1:7480", Place("vault", "", "http://127.0.0.1:7480", None)),
        ("s3://vault?endpoint=http://[::1]:7480/", Place("vault", "", "http://[::1]:7480/", None)),
        ("s3://vault?endpoint=http%3A%2F%2Flocalhost", Place("vault", "", "http://localhost", None)),
        ("s3://vault?endpoint=http://ceph:7480&insecure=true", Place("vault", "", "http://ceph:7480", None)),
    ],
)
def test_an_address_says_where_it_is(url: str, place: Place) -> None:
    assert parse_place(url) == place


@pytest.mark.parametrize(
    ("url", "why"),
    [
        ("file:/blobs", "must be s3://"),
        ("s3:vault", "no bucket"),
        ("s3:///prefix", "no bucket"),
        ("s3://Vault", "no bucket"),
        ("s3://va", "no bucket"),
        ("s3://vault:80/x", "no bucket"),
        ("s3://a..b", "no bucket"),
        ("s3://key:secret@vault/x", "takes no credentials"),
        ("s3://vault/x#y", "behind"),
        ("s3://vault/a//b", "the prefix"),
        ("s3://vault/../x", "the prefix"),
        ("s3://vault/a b", "the prefix"),
        ("s3://vault?acl=public", "there is no “acl”"),
        ("s3://vault?region", "no address"),
        ("s3://vault?region=", "region"),
        ("s3://vault?region=eu/north", "region"),
        ("s3://vault?region=a&region=b", "twice"),
        ("s3://vault?insecure=yes", "insecure is"),
        ("s3://vault?endpoint=", "endpoint must"),
        ("s3://vault?endpoint=ftp://s3.example", "endpoint must"),
        ("s3://vault?endpoint=https://s3.example/vault", "endpoint must"),
        ("s3://vault?endpoint=https://key:secret@s3.example", "endpoint must"),
        ("s3://vault?endpoint=https://s3.example:port", "endpoint is no"),
        ("s3://vault?endpoint=http://s3.example", "say insecure=true"),
        ("s3://vault?endpoint=http://10.0.0.1", "say insecure=true"),
        ("s3://vault?endpoint=http://127.0.0.1.example", "say insecure=true"),
    ],
)
def test_an_address_that_is_wrong_is_refused_by_name(url: str, why: str) -> None:
    with pytest.raises(Misconfigured, match=f"^STORAGE_URL: .*{why}") as refused:
        parse_place(url)
    assert refused.value.field == "STORAGE_URL"
    assert "\n" not in refused.value.detail
    assert "secret" not in refused.value.detail


def test_only_a_blob_id_behind_the_prefix_is_a_blob() -> None:
    place, blob_id = Place("vault", "a/", None, None), new_blob_id()
    assert place.blob_of(place.key(blob_id)) == blob_id
    for key in (blob_id, f"b/{blob_id}", f"a/b/{blob_id}", f"a/{blob_id}x", f"a/{blob_id}\n", "a/", ""):
        assert place.blob_of(key) is None


def test_aws_is_told_from_others() -> None:
    assert Place("v", "", None, None).of_aws
    assert Place("v", "", "https://s3.eu-north-1.amazonaws.com", None).of_aws
    assert not Place("v", "", "https://amazonaws.com.example", None).of_aws


def test_what_is_wrong_with_boto3s_own_settings_is_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_PROFILE", "nobody")
    with pytest.raises(Misconfigured, match="STORAGE_URL: ProfileNotFound"):
        S3BlobStore("s3://vault?region=eu-north-1")
