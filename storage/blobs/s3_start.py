"""What is looked at before a service stands on a bucket: what would break a promise stops the start, in one line."""

from __future__ import annotations

import base64
import hashlib
import logging
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from botocore.exceptions import (
    BotoCoreError,
    ClientError,
    CredentialRetrievalError,
    NoCredentialsError,
    PartialCredentialsError,
)

from domain.errors import Misconfigured
from storage.blobs.s3_bucket import MISSING, Bucket, code_of, status_of, translated
from storage.blobs.s3_remains import ABORTED, uploads, versions

log = logging.getLogger(__name__)
PROBE = b"probe"
_STRANGERS = frozenset(
    {"InvalidAccessKeyId", "SignatureDoesNotMatch", "InvalidToken", "ExpiredToken", "TokenRefreshRequired"}
)
_UNKNOWN = frozenset({"NotImplemented", "MethodNotAllowed", "501", "405"})
"""A store's word for what it does not have: then there is nothing of that kind to be afraid of."""
_KEYS = (NoCredentialsError, PartialCredentialsError, CredentialRetrievalError)
_LEGACY_REGIONS = {"EU": "eu-west-1"}


def put_probe(bucket: Bucket, key: str, *, remove: bool) -> None:
    """Write a few bytes, and take them away again: that very version, where the bucket has versions."""
    digest = base64.b64encode(hashlib.md5(PROBE, usedforsecurity=False).digest()).decode()
    version = bucket.ask("put_object", Key=key, Body=PROBE, ContentMD5=digest).get("VersionId")
    if remove:
        bucket.ask("delete_object", Key=key, **({} if version is None else {"VersionId": version}))


class StartCheck:
    """One look at a bucket. Only reads, but for a probe of five bytes and an upload of none, both taken away again."""

    def __init__(self, bucket: Bucket, regions: tuple[str, ...]) -> None:
        self._bucket = bucket
        self._place = bucket.place
        self._regions = regions

    def run(self) -> None:
        """Raises Misconfigured; BlobsUnavailable where the store does not answer."""
        with self._needing("s3:ListBucket"):
            self._bucket.ask("list_objects_v2", Prefix=self._place.prefix, MaxKeys=1)
        self._check_region()
        self._check_versions()
        self._check_lock()
        self._check_rules()
        self._check_replication()
        self._try_bytes(f"{self._place.prefix}probe-{secrets.token_hex(8)}")
        self._try_upload(f"{self._place.prefix}probe-{secrets.token_hex(8)}")

    # -- what the bucket is ----------------------------------------------------------------------------------------
    def _check_region(self) -> None:
        """Residency is checked, not promised: a bucket that does not say where it is, is nowhere (fail closed)."""
        if not self._regions and not (self._place.of_aws and self._place.region):
            return
        with self._needing("s3:GetBucketLocation"):
            said = self._bucket.ask("get_bucket_location").get("LocationConstraint") or ""
        # To AWS, no constraint means its first region; to others it means that they do not say.
        region = _LEGACY_REGIONS.get(said, said) or ("us-east-1" if self._place.of_aws else "")
        if self._place.of_aws and self._place.region and region != self._place.region:
            raise _wrong(f"the bucket is in {region}, not in {self._place.region}")
        if self._regions and not region:
            raise _wrong("the store does not say in which region the bucket is, and ALLOWED_REGIONS wants to know")
        if self._regions and region not in self._regions:
            raise _wrong(f"the bucket is in {region}, ALLOWED_REGIONS takes {', '.join(self._regions)}")

    def _check_versions(self) -> None:
        found = self._config("get_bucket_versioning", "s3:GetBucketVersioning")
        if found.get("MFADelete") == "Enabled":
            raise _wrong("the bucket has MFA Delete: no version could ever be purged")
        if found.get("Status"):
            self._warn("versioned")

    def _check_lock(self) -> None:
        found = self._config("get_object_lock_configuration", "s3:GetBucketObjectLockConfiguration")
        lock = found.get("ObjectLockConfiguration", {})
        kept = lock.get("Rule", {}).get("DefaultRetention", {})
        if kept:
            length = f"{kept['Days']} days" if kept.get("Days") else f"{kept.get('Years')} years"
            raise _wrong(
                f"the bucket's Object Lock keeps whatever is written for {length}"
                f" ({str(kept.get('Mode', '')).lower()}): nothing could be purged before"
            )
        if lock.get("ObjectLockEnabled") == "Enabled":
            self._warn("object-lock")

    def _check_rules(self) -> None:
        found = self._config("get_bucket_lifecycle_configuration", "s3:GetLifecycleConfiguration")
        ours = [rule for rule in found.get("Rules", []) if self._is_ours(rule)]
        for rule in ours:
            if {"Days", "Date"} & set(rule.get("Expiration", {})):
                raise _wrong(f"lifecycle rule {_shown(rule)} erases blobs by itself")
            if rule.get("Transitions"):
                raise _wrong(f"lifecycle rule {_shown(rule)} moves blobs to another storage class")
        if not any("AbortIncompleteMultipartUpload" in rule for rule in ours):
            self._warn("no-rule-for-unfinished-uploads")

    def _is_ours(self, rule: dict[str, Any]) -> bool:
        """Whether a rule applies to keys like ours, which have no tags."""
        where = rule.get("Filter") or {}
        both = where.get("And", where)
        prefix = both.get("Prefix") or rule.get("Prefix") or ""
        tagged = both.get("Tag") or both.get("Tags")
        near = prefix.startswith(self._place.prefix) or self._place.prefix.startswith(prefix)
        return rule.get("Status") == "Enabled" and not tagged and near

    def _check_replication(self) -> None:
        found = self._config("get_bucket_replication", "s3:GetReplicationConfiguration")
        rules = found.get("ReplicationConfiguration", {}).get("Rules", [])
        if any(rule.get("Status") == "Enabled" for rule in rules):
            if self._regions:
                raise _wrong("the bucket is replicated, and ALLOWED_REGIONS cannot be checked for the copies")
            self._warn("replicated")

    # -- what may be done in it ------------------------------------------------------------------------------------
    def _try_bytes(self, key: str) -> None:
        with self._needing("s3:PutObject"):
            put_probe(self._bucket, key, remove=False)
        self._bucket.conditional = self._heeds_conditions(key)
        with self._needing("s3:GetObject"):
            if self._bucket.ask("get_object", Key=key)["Body"].read() != PROBE:
                raise _wrong("the store gives back other bytes than it was given")
        with self._needing("s3:ListBucketVersions"):
            found = versions(self._bucket, key)
        for one in found:
            action = "s3:DeleteObject" if one.version == "null" else "s3:DeleteObjectVersion"
            with self._needing(action):
                self._bucket.ask("delete_object", Key=key, VersionId=one.version)
        with self._needing("s3:ListBucket"):
            gone = self._bucket.head(key) is None and not versions(self._bucket, key)
        if not found or not gone:
            raise _wrong("what is deleted does not go away")

    def _heeds_conditions(self, key: str) -> bool:
        try:
            self._bucket.ask("put_object", Key=key, Body=PROBE, IfNoneMatch="*")
        except ClientError as error:
            if status_of(error) == 412:
                return True
            if code_of(error) not in _UNKNOWN:
                raise self._translated(error, "s3:PutObject") from error
        self._warn("no-conditional-writes")
        return False

    def _try_upload(self, key: str) -> None:
        with self._needing("s3:PutObject"):
            upload = self._bucket.ask("create_multipart_upload", Key=key)["UploadId"]
        with self._needing("s3:ListBucketMultipartUploads"):
            listed = [one.upload for one in uploads(self._bucket, key)]
        with self._needing("s3:ListMultipartUploadParts"):
            self._bucket.ask("list_parts", Key=key, UploadId=upload)
        with self._needing("s3:AbortMultipartUpload"):
            self._bucket.ask("abort_multipart_upload", Key=key, UploadId=upload)
        try:
            self._bucket.ask("list_parts", Key=key, UploadId=upload)
        except ClientError as error:
            if code_of(error) not in ABORTED:
                raise self._translated(error, "s3:ListMultipartUploadParts") from error
        else:
            raise _wrong("an upload that was aborted does not go away")
        if upload not in listed:
            raise _wrong("the store does not list unfinished uploads: they could never be swept")

    # -- asking ----------------------------------------------------------------------------------------------------
    def _config(self, operation: str, action: str) -> dict[str, Any]:
        """A part of the bucket's configuration; empty where it has none, or the store knows no such thing."""
        try:
            return self._bucket.ask(operation)
        except ClientError as error:
            if status_of(error) == 404 and code_of(error) != "NoSuchBucket":
                return {}
            if code_of(error) in _UNKNOWN:
                return {}
            raise self._translated(error, action) from error
        except BotoCoreError as error:
            raise self._translated(error, action) from error

    @contextmanager
    def _needing(self, action: str) -> Iterator[None]:
        """The right that is needed is what a refusal names."""
        try:
            yield
        except (BotoCoreError, ClientError, OSError) as error:
            raise self._translated(error, action) from error

    def _translated(self, error: Exception, action: str) -> Exception:
        if isinstance(error, _KEYS):
            return _wrong("boto3 finds no credentials (AWS_ACCESS_KEY_ID and the like)")
        if not isinstance(error, ClientError):
            return translated(error)
        code = code_of(error)
        if code == "NoSuchBucket" or (code in MISSING and action == "s3:ListBucket"):
            return _wrong(f"there is no bucket “{self._place.bucket}”")
        if code in _STRANGERS:
            return _wrong(f"the store does not know these credentials ({code})")
        if code == "RequestTimeTooSkewed":
            return _wrong("this machine's clock is not the store's")
        if status_of(error) in {301, 307, 400} and code in {
            "PermanentRedirect",
            "AuthorizationHeaderMalformed",
            "IllegalLocationConstraintException",
        }:
            return _wrong("the bucket is in another region")
        if status_of(error) in {401, 403}:
            return _wrong(f"the store refuses {action} ({code})")
        return translated(error)

    def _warn(self, what: str) -> None:
        log.warning("blobs.bucket", extra={"finding": what})


def _shown(rule: dict[str, Any]) -> str:
    name = str(rule.get("ID", ""))
    return f"“{name[:60]}”" if name.isprintable() and name else "without a name"


def _wrong(what: str) -> Misconfigured:
    return Misconfigured(f"STORAGE_URL: {what}", field="STORAGE_URL")
