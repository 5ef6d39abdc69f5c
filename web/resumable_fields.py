"""The header fields of the IETF draft on resumable uploads (draft-ietf-httpbis-resumable-upload-12): structured values.

A value of the wrong type is as if the field were not there (RFC 9651, section 4.2).
"""

from __future__ import annotations

import re
from datetime import datetime
from email.policy import HTTP
from typing import Any
from urllib.parse import unquote_to_bytes

import http_sf
from aiohttp import web

from domain.errors import BadInput
from domain.upload import Upload
from web.digests import value
from web.tus_fields import LARGEST

COMPLETE = "Upload-Complete"
OFFSET = "Upload-Offset"
LENGTH = "Upload-Length"
LIMIT = "Upload-Limit"
INTEROP = "Upload-Draft-Interop-Version"
CONTENT_TYPE = "application/partial-upload"
INTEROP_VERSION = 8
"""Of drafts -09 to -12."""
OLDER_VERSIONS = frozenset({5, 6, 7})
"""What is deployed and differs in nothing that is used here: drafts -03 to -08."""
UNTYPED_VERSION = 5
"""Draft -03 names no media type for appends."""

_EXTENDED = re.compile(r";\s*filename\*\s*=\s*utf-8'[^']*'([^;\s]+)", re.IGNORECASE)


def boolean(request: web.Request, field: str) -> bool | None:
    """``?1`` or ``?0``; None for anything else."""
    found = _item(request, field)
    return found if isinstance(found, bool) else None


def integer(request: web.Request, field: str) -> int | None:
    """A number of bytes; None where there is none. Raises BadInput for one below zero."""
    found = _item(request, field)
    if type(found) is not int:
        return None
    if not 0 <= found <= LARGEST:
        raise BadInput("A number of bytes is never negative.", field=field)
    return found


def interop(request: web.Request) -> int | None:
    """The draft's version that the client speaks, if it is one of ours."""
    found = _item(request, INTEROP)
    return found if type(found) is int and (found == INTEROP_VERSION or found in OLDER_VERSIONS) else None


def flag(*, complete: bool) -> str:
    """``Upload-Complete`` of an answer."""
    return "?1" if complete else "?0"


def limit(max_size: int, upload: Upload | None = None, now: datetime | None = None) -> str:
    """``Upload-Limit``: what is taken at the most, and, of an upload, the seconds it is kept yet."""
    limits: dict[str, Any] = {"max-size": max_size, "min-size": 0}
    if upload is not None and now is not None:
        limits["max-age"] = max(0, int((upload.expires_at - now).total_seconds()))
    return http_sf.ser(limits)


def file_name(request: web.Request) -> str | bytes:
    """The name in ``Content-Disposition``, by ``filename*`` where it has one; empty where it has none (RFC 6266)."""
    raw = request.headers.get("Content-Disposition", "")
    extended = _EXTENDED.search(raw)
    if extended is not None:
        return unquote_to_bytes(extended[1])
    try:
        found = HTTP.header_factory("Content-Disposition", raw or "inline").params.get("filename", "")
    except (ValueError, LookupError, AttributeError) as error:
        raise BadInput("The field is malformed.", field="Content-Disposition") from error
    return str(found).encode(errors="surrogateescape")


def _item(request: web.Request, field: str) -> Any:
    raw = value(request, field)
    if raw is None:
        return None
    try:
        found = http_sf.parse(raw.encode(), tltype="item")
    except (http_sf.StructuredFieldError, UnicodeError, ValueError):
        return None
    return found[0] if isinstance(found, tuple) else None
