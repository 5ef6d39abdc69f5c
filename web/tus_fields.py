"""The header fields of tus 1.0.0, strictly read: a number is digits, base64 is base64, a key is there once (S-42)."""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import format_datetime
from urllib.parse import urlsplit

from aiohttp import web

from domain.errors import BadInput
from domain.upload import Checksum

VERSION = "1.0.0"
RESUMABLE = "Tus-Resumable"
OFFSET = "Upload-Offset"
LENGTH = "Upload-Length"
DEFER = "Upload-Defer-Length"
METADATA = "Upload-Metadata"
CHECKSUM = "Upload-Checksum"
CONCAT = "Upload-Concat"
EXPIRES = "Upload-Expires"
CONTENT_TYPE = "application/offset+octet-stream"
EXTENSIONS = (
    "creation",
    "creation-with-upload",
    "creation-defer-length",
    "expiration",
    "checksum",
    "termination",
    "concatenation",
)
CHECKSUMS: Mapping[str, int] = {"sha1": 20, "sha256": 32, "sha512": 64, "crc32": 4}
"""What ``Upload-Checksum`` may name, and the bytes of its digest."""
LARGEST = 2**53 - 1
MAX_METADATA = 4096
MAX_PARTS = 512

_NUMBER = re.compile(r"[0-9]{1,16}", re.ASCII)
_SPACE = re.compile(r"/u/[^/]+/files(/[^/]*)?/?")


def is_upload_space(path: str) -> bool:
    """Whether a path is where uploads are made or live: every answer there speaks tus, errors too."""
    return _SPACE.fullmatch(path) is not None


def single(request: web.Request, field: str) -> str | None:
    """A field's one value; None where it is absent. Raises BadInput where it stands there twice."""
    values = request.headers.getall(field, [])
    if len(values) > 1:
        raise BadInput("The field stands there twice.", field=field)
    return values[0] if values else None


def number(request: web.Request, field: str) -> int | None:
    """A field's plain decimal number; None where it is absent. Raises BadInput for a sign, a space, any other digit."""
    text = single(request, field)
    if text is None:
        return None
    if _NUMBER.fullmatch(text) is None or int(text) > LARGEST:
        raise BadInput("A number is ASCII digits, up to 2^53-1.", field=field)
    return int(text)


def deferred(request: web.Request) -> bool:
    """Whether the length is to come later. Raises BadInput for anything but ``1``."""
    text = single(request, DEFER)
    if text not in {None, "1"}:
        raise BadInput("The only value is 1.", field=DEFER)
    return text is not None


def raw_metadata(request: web.Request) -> str | None:
    """``Upload-Metadata`` as it was sent; None where it is absent, and where it is empty, as tuspy sends it."""
    text = single(request, METADATA)
    return text if text is not None and text.strip() else None


def metadata(raw: str | None) -> dict[str, bytes]:
    """The pairs, their keys in lower case, for our own use. Raises BadInput."""
    if raw is None:
        return {}
    if len(raw) > MAX_METADATA:
        raise BadInput(f"More than {MAX_METADATA} bytes.", field=METADATA)
    found: dict[str, bytes] = {}
    exact: set[str] = set()
    for pair in raw.split(","):
        key, space, coded = pair.strip(" ").partition(" ")
        if not key or not key.isascii() or not key.isprintable() or (space and " " in coded):
            raise BadInput("A pair is a key, a space, and a value in base64.", field=METADATA)
        if key in exact:
            raise BadInput("A key stands there twice.", field=METADATA)
        exact.add(key)
        found.setdefault(key.lower(), base64_of(coded, METADATA))
    return found


def base64_of(coded: str, field: str) -> bytes:
    """What standard base64 with its padding says. Raises BadInput."""
    try:
        found = base64.b64decode(coded.encode("ascii"), validate=True)
    except (binascii.Error, UnicodeError) as error:
        raise BadInput("A value is not base64.", field=field) from error
    if base64.b64encode(found).decode() != coded:  # padding too many, or bits that say nothing
        raise BadInput("A value is not base64.", field=field)
    return found


def checksum(request: web.Request) -> Checksum | None:
    """What the body is announced to be. Raises BadInput for an unknown algorithm, and for what is no digest of it."""
    text = single(request, CHECKSUM)
    if text is None:
        return None
    algorithm, _, coded = text.partition(" ")
    size = CHECKSUMS.get(algorithm)
    if size is None:
        raise BadInput(f"The algorithms are {', '.join(CHECKSUMS)}.", field=CHECKSUM)
    digest = base64_of(coded, CHECKSUM)
    if len(digest) != size:
        raise BadInput(f"A digest of {algorithm} has {size} bytes.", field=CHECKSUM)
    return Checksum(algorithm, digest)


@dataclass(frozen=True, slots=True)
class Concat:
    """``Upload-Concat``. ``parts`` None: a piece; else the tokens of the pieces, in order."""

    parts: tuple[str, ...] | None
    raw: str


def concat(request: web.Request, base_path: str, link: str) -> Concat | None:
    """The field; None where it is absent. The pieces are uploads of the link with that token.

    ``base_path``: what our own addresses' paths begin with; of an address only the path counts, its host may be
    another name of ours. Raises BadInput for any that cannot be one of that link's uploads.
    """
    text = single(request, CONCAT)
    if text is None:
        return None
    if text == "partial":
        return Concat(None, text)
    word, _, addresses = text.partition(";")
    parts = addresses.split()
    if word != "final" or not parts:
        raise BadInput("It is either 'partial' or 'final;' and addresses.", field=CONCAT)
    if len(parts) > MAX_PARTS:
        raise BadInput(f"More than {MAX_PARTS} pieces.", field=CONCAT)
    return Concat(tuple(_token(part, base_path, link) for part in parts), text)


def _token(address: str, base_path: str, link: str) -> str:
    try:
        path = urlsplit(address).path
    except ValueError as error:
        raise BadInput("A piece is no address.", field=CONCAT) from error
    prefix = f"/u/{link}/files/"
    for begin in (base_path + prefix, prefix):
        token = path.removeprefix(begin)
        if path.startswith(begin) and token and "/" not in token:
            return token
    raise BadInput("A piece is no upload of this link.", field=CONCAT)


def http_date(when: datetime) -> str:
    """A time as ``Upload-Expires`` gives it (RFC 9110, section 5.6.7)."""
    return format_datetime(when.astimezone(UTC).replace(microsecond=0), usegmt=True)
