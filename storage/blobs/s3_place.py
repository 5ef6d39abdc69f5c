"""Where an S3 store is: its address, read strictly, and the only place where a blob id becomes a key and back."""

from __future__ import annotations

import re
from dataclasses import dataclass
from ipaddress import ip_address
from typing import NoReturn
from urllib.parse import SplitResult, parse_qsl, urlsplit

from domain.errors import Misconfigured
from domain.ids import BlobId

_BUCKET = re.compile(r"[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]")
_PREFIX = re.compile(r"[A-Za-z0-9._-]+(?:/[A-Za-z0-9._-]+)*")
_REGION = re.compile(r"[A-Za-z0-9-]{1,64}")
_BLOB = re.compile(r"[0-9a-f]{32}")
_KNOWN = ("endpoint", "region", "insecure")


@dataclass(frozen=True, slots=True)
class Place:
    """A bucket and what our keys in it begin with: nothing, or a path that ends in ``/``.

    ``endpoint`` None: AWS itself. ``region`` None: boto3's own settings say it.
    """

    bucket: str
    prefix: str
    endpoint: str | None
    region: str | None

    def key(self, blob_id: BlobId) -> str:
        """A blob's key. No fan-out: S3 splits by load, not by folders, and ids are random from their first digit."""
        return f"{self.prefix}{blob_id}"

    def blob_of(self, key: str) -> BlobId | None:
        """The blob id in a key; None: the key is not ours."""
        name = key.removeprefix(self.prefix)
        return BlobId(name) if key.startswith(self.prefix) and _BLOB.fullmatch(name) else None

    @property
    def of_aws(self) -> bool:
        """Whether it is AWS that answers there, whose word on regions is defined."""
        host = None if self.endpoint is None else urlsplit(self.endpoint).hostname or ""
        return host is None or host.endswith((".amazonaws.com", ".amazonaws.com.cn"))


def parse_place(url: str) -> Place:
    """``s3://bucket/prefix?endpoint=…&region=…``. Raises Misconfigured with one line that names STORAGE_URL.

    An endpoint over plain http is taken on this machine, and elsewhere only with ``insecure=true``: what is stored is
    sealed, but whoever sits on the wire could answer that a blob is gone.
    """
    try:
        parts = urlsplit(url)
        pairs = parse_qsl(parts.query, keep_blank_values=True, strict_parsing=bool(parts.query))
    except ValueError as error:
        raise _wrong("is no address") from error
    _check_outside(parts)
    query = dict(pairs)
    for name, _ in pairs:
        if name not in _KNOWN:
            _refuse(f"there is no “{name[:40]}” (known: {', '.join(_KNOWN)})")
    if len(query) != len(pairs):
        _refuse("something is said twice")
    prefix = parts.path.strip("/")
    if prefix and (not _PREFIX.fullmatch(prefix) or {".", ".."} & set(prefix.split("/"))):
        _refuse("the prefix takes letters, digits, “.”, “_”, “-” and “/” between them")
    region = query.get("region")
    if region is not None and not _REGION.fullmatch(region):
        _refuse("region is none")
    insecure = query.get("insecure", "false")
    if insecure not in {"true", "false"}:
        _refuse("insecure is true or false")
    endpoint = query.get("endpoint")
    if endpoint is not None:
        _check_endpoint(endpoint, insecure=insecure == "true")
    return Place(parts.netloc, f"{prefix}/" if prefix else "", endpoint, region)


def _check_outside(parts: SplitResult) -> None:
    if parts.scheme != "s3":
        _refuse("must be s3://bucket/prefix")
    if "@" in parts.netloc:
        _refuse("takes no credentials: they come from AWS_ACCESS_KEY_ID and the like")
    if not _BUCKET.fullmatch(parts.netloc) or ".." in parts.netloc:
        _refuse("no bucket can have that name")
    if parts.fragment:
        _refuse("takes nothing behind “#”")


def _check_endpoint(endpoint: str, *, insecure: bool) -> None:
    try:
        parts = urlsplit(endpoint)
        host, _ = parts.hostname, parts.port
    except ValueError as error:
        raise _wrong("endpoint is no address") from error
    bare = parts.path in {"", "/"} and not parts.query and not parts.fragment and "@" not in parts.netloc
    if parts.scheme not in {"http", "https"} or not host or not bare:
        _refuse("endpoint must be https://host:port")
    if parts.scheme == "http" and not insecure and not _is_loopback(host):
        _refuse("endpoint is http and not on this machine: use https, or say insecure=true")


def _is_loopback(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _refuse(what: str) -> NoReturn:
    raise _wrong(what)


def _wrong(what: str) -> Misconfigured:
    return Misconfigured(f"STORAGE_URL: {what}", field="STORAGE_URL")
