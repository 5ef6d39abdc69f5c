"""The bucket under the S3 store: boto3's client as we set it, and what S3 says in the words of the house."""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from typing import Any

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from domain.errors import BilagaError, BlobsUnavailable, Misconfigured, StorageFull
from storage.blobs.s3_place import Place

FULL = frozenset(
    {"QuotaExceeded", "InsufficientStorage", "InsufficientCapacity"}
    | {"XMinioStorageFull", "XMinioAdminBucketQuotaExceeded"}
)
MISSING = frozenset({"404", "NoSuchKey", "NoSuchVersion"})
_CODE = re.compile(r"\w[\w.-]{0,63}", re.ASCII)


@dataclass(frozen=True, slots=True)
class Patience:
    """Seconds until a connection stands, seconds without a byte, and how often a request is made in all. Between two
    of them the client waits up to a second, then two (``standard``), so the longest silence is known: by default some
    41 s, less than a minute, which is when proxies give up on us."""

    connect: float = 5
    read: float = 20
    attempts: int = 2


@dataclass(frozen=True, slots=True)
class Head:
    """What the store says of an object: bytes, ETag without its quotes, and which version it is, if there are any."""

    size: int
    etag: str
    modified_at: datetime
    version: str | None


class Bucket:
    """One bucket. Thread-safe: boto3's clients are; its session is used once, here.

    Raises Misconfigured where boto3's own settings are wrong. Its methods raise what botocore raises: whoever is asked
    from outside translates.
    """

    def __init__(
        self, place: Place, *, patience: Patience, connections: int, session: boto3.session.Session | None
    ) -> None:
        self.place = place
        self.patience = patience
        self.conditional = False
        """Whether the store is known to heed ``If-None-Match: *`` for PutObject; Ceph does in unversioned buckets only.
        """
        settings: dict[str, Any] = {
            "connect_timeout": patience.connect,
            "read_timeout": patience.read,
            "retries": {"mode": "standard", "total_max_attempts": patience.attempts},
            "max_pool_connections": connections,
            "tcp_keepalive": True,
            "signature_version": "s3v4",
            # Stores that do not know these checksums refuse them, or ignore them: we send Content-MD5.
            "request_checksum_calculation": "when_required",
            "response_checksum_validation": "when_required",
            # STORAGE_URL alone says where the bytes go.
            "ignore_configured_endpoint_urls": True,
            "s3": {"addressing_style": "auto" if place.endpoint is None else "path"},
        }
        region = place.region or (None if place.endpoint is None else "us-east-1")
        try:
            self.session = session or boto3.session.Session()
            self.client: Any = self.session.client(
                "s3", region_name=region, endpoint_url=place.endpoint, config=Config(**settings)
            )
        except (BotoCoreError, ValueError) as error:
            raise Misconfigured(f"STORAGE_URL: {type(error).__name__} of boto3", field="STORAGE_URL") from error
        # This one alone is sent with a CRC even so, and without the MD5 that older stores insist on.
        self.client.meta.events.register("before-call.s3.DeleteObjects", _add_md5)

    @cached_property
    def versioned(self) -> bool:
        """Whether a plain delete may leave bytes behind; true also where the store does not say. Nobody relies on a
        no, as it may have been changed since: it spares a request."""
        try:
            return bool(self.ask("get_bucket_versioning").get("Status"))
        except ClientError:
            return True

    def ask(self, operation: str, **arguments: Any) -> dict[str, Any]:
        """One request on this bucket."""
        answer: dict[str, Any] = getattr(self.client, operation)(Bucket=self.place.bucket, **arguments)
        return answer

    def head(self, key: str) -> Head | None:
        """What there is under a key. None means that: where the bucket itself is gone, it raises."""
        try:
            found = self.ask("head_object", Key=key)
        except ClientError as error:
            if code_of(error) not in MISSING:
                raise
            # The answer to HEAD has no body that would tell a missing bucket from a missing key.
            self.ask("head_bucket")
            return None
        return Head(found["ContentLength"], etag_of(found), found["LastModified"], found.get("VersionId"))

    def pages(self, operation: str, *markers: str, **arguments: Any) -> Iterator[dict[str, Any]]:
        """A listing page by page, by the markers that the store gives. Raises BlobsUnavailable where it goes in
        circles."""
        while True:
            page = self.ask(operation, **arguments)
            yield page
            if not page.get("IsTruncated"):
                return
            following = {name: page[f"Next{name}"] for name in markers if page.get(f"Next{name}")}
            if not following or following.items() <= arguments.items():
                raise BlobsUnavailable("the store lists without end")
            arguments = {name: value for name, value in arguments.items() if name not in markers} | following

    def close(self) -> None:
        """Let go of the connections."""
        self.client.close()


def _add_md5(params: dict[str, Any], **_: Any) -> None:
    digest = hashlib.md5(params["body"], usedforsecurity=False).digest()
    params["headers"]["Content-MD5"] = base64.b64encode(digest).decode()


def code_of(error: ClientError) -> str:
    """The store's word for an error; for HEAD, whose answers have no body, the status. Never its text."""
    code = str(error.response.get("Error", {}).get("Code", ""))
    return code if _CODE.fullmatch(code) else "unknown"


def status_of(error: ClientError) -> int:
    """The status of an answer that is an error."""
    return int(error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0))


def etag_of(answer: dict[str, Any]) -> str:
    """The ETag of an answer without its quotes; empty: it has none."""
    return str(answer.get("ETag") or "").strip('"')


@contextmanager
def translating() -> Iterator[None]:
    """The border: what the store and the client say, in the words of the house."""
    try:
        yield
    except (BotoCoreError, ClientError, OSError) as error:
        raise translated(error) from error


def translated(error: Exception) -> BilagaError:
    """StorageFull where there is no room, else BlobsUnavailable."""
    if not isinstance(error, ClientError):
        return BlobsUnavailable(f"the store does not answer: {type(error).__name__}")
    if status_of(error) == 507 or code_of(error) in FULL:
        return StorageFull()
    return BlobsUnavailable(f"the store refused: {code_of(error)}")
