"""Buckets of a test run in the S3 stores that ``services/`` starts; where none runs, the tests fail and say so."""

from __future__ import annotations

import os
import secrets
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import boto3
from botocore.config import Config
from botocore.exceptions import ClientError

STORES = {"ceph": "TEST_CEPH_URL", "seaweedfs": "TEST_SEAWEEDFS_URL"}


@dataclass
class Server:
    """A store that speaks S3, and what was made in it."""

    name: str
    made: dict[str, str] = field(default_factory=dict)

    @property
    def endpoint(self) -> str:
        """Where it is."""
        variable = STORES[self.name]
        found = os.environ.get(variable)
        assert found, f"{variable} is not set: services/engines.sh around COMMAND starts what the tests talk to"
        return found

    @cached_property
    def session(self) -> boto3.session.Session:
        """One for the run: each reads a megabyte of descriptions anew."""
        return boto3.session.Session()

    @cached_property
    def client(self) -> Any:
        """The plain client, to look and to arrange with."""
        config = Config(
            request_checksum_calculation="when_required",
            response_checksum_validation="when_required",
            s3={"addressing_style": "path"},
        )
        return self.session.client("s3", endpoint_url=self.endpoint, region_name="us-east-1", config=config)

    def bucket(self, kind: str) -> str:
        """A bucket of this run: ``plain``, ``versioned``, or ``locked`` (Object Lock, without default retention)."""
        if kind not in self.made:
            name = f"bilaga-test-{kind}-{secrets.token_hex(6)}"
            self.client.create_bucket(Bucket=name, **({"ObjectLockEnabledForBucket": True} if kind == "locked" else {}))
            if kind == "versioned":
                self.client.put_bucket_versioning(Bucket=name, VersioningConfiguration={"Status": "Enabled"})
            self.made[kind] = name
        return self.made[kind]

    def url(self, bucket: str, prefix: str) -> str:
        """The address of a store in it."""
        return f"s3://{bucket}/{prefix}?endpoint={self.endpoint}&region=us-east-1"

    def remains(self, bucket: str, prefix: str) -> list[str]:
        """Everything under a prefix that takes up room: versions, delete markers, unfinished uploads."""
        page = self.client.list_object_versions(Bucket=bucket, Prefix=prefix)
        found = [f"version {one['Key']}" for one in page.get("Versions", [])]
        found += [f"marker {one['Key']}" for one in page.get("DeleteMarkers", [])]
        begun = self.client.list_multipart_uploads(Bucket=bucket, Prefix=prefix).get("Uploads", [])
        return found + [f"upload {one['Key']}" for one in begun]

    def clear(self) -> None:
        """Take away what the run made, as far as it goes: a lock may outlive it."""
        for name in self.made.values():
            for page in self.client.get_paginator("list_object_versions").paginate(Bucket=name):
                for one in [*page.get("Versions", []), *page.get("DeleteMarkers", [])]:
                    self._try("delete_object", Bucket=name, Key=one["Key"], VersionId=one["VersionId"])
            for one in self.client.list_multipart_uploads(Bucket=name).get("Uploads", []):
                self._try("abort_multipart_upload", Bucket=name, Key=one["Key"], UploadId=one["UploadId"])
            self._try("delete_bucket", Bucket=name)
        self.made.clear()

    def _try(self, operation: str, **arguments: str) -> None:
        try:
            getattr(self.client, operation)(**arguments)
        except ClientError as error:
            print(f"{operation}: {error.response['Error'].get('Code')}")


SERVERS = {name: Server(name) for name in STORES}
