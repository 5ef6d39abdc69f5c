"""Error → problem: the one table of what an error looks like over HTTP (RFC 9457, S-1, S-2)."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from aiohttp import web

from domain import errors

URN = "urn:bilaga:problem:"
CONTENT_TYPE = "application/problem+json"

PROBLEMS: Mapping[type[errors.BilagaError], int] = {
    errors.BadInput: 400,
    errors.IncompleteBody: 400,
    errors.LoginRequired: 401,
    errors.NotAllowed: 403,
    errors.CsrfRefused: 403,
    errors.WrongPasscode: 403,
    errors.CodeNeeded: 403,
    errors.Quarantined: 403,
    errors.NotFound: 404,
    errors.TooSlow: 408,
    errors.TooMany: 409,
    errors.StateConflict: 409,
    errors.NotReady: 409,
    errors.BrakeApplied: 409,
    errors.Gone: 410,
    errors.PreconditionFailed: 412,
    errors.TooLarge: 413,
    errors.QuotaExceeded: 413,
    errors.TypeNotAllowed: 415,
    errors.RangeNotSatisfiable: 416,
    errors.UnknownHost: 421,
    errors.ContentMismatch: 422,
    errors.Infected: 422,
    errors.UploadLocked: 423,
    errors.ChecksumMismatch: 460,
    errors.IdempotencyConflict: 422,
    errors.RateLimited: 429,
    errors.Damaged: 500,
    errors.Misconfigured: 500,
    errors.Unavailable: 503,
    errors.StorageFull: 507,
}

# What aiohttp itself raises (routing, body limits): status → name and the sentence a person reads.
FRAMEWORK: Mapping[int, tuple[str, str]] = {
    400: ("bad-request", "The request is malformed."),
    404: ("not-found", "There is nothing here."),
    405: ("method", "This address does not take that method."),
    406: ("not-acceptable", "No wanted form of the answer can be given."),
    411: ("length-required", "The length of the body must be declared."),
    413: ("too-large", "The request is larger than allowed."),
    414: ("uri-too-long", "The address is too long."),
    415: ("media-type", "This media type is not taken here."),
    417: ("bad-request", "That expectation cannot be met."),
    428: ("precondition-required", "A precondition is required."),
    431: ("headers-too-large", "The header fields are too large."),
}
REASONS: Mapping[int, str] = {460: "Checksum Mismatch"}
"""Of what HTTP itself knows none for: tus made this status up."""
TITLES: Mapping[str, str] = {
    "bad-request": "Malformed request",
    "login-required": "Sign-in required",
    "forbidden": "Not allowed",
    "csrf": "Cross-site request refused",
    "passcode": "Wrong passcode",
    "recipient-code": "Code required",
    "quarantined": "In quarantine",
    "not-found": "Not found",
    "method": "Method not allowed",
    "not-acceptable": "Not acceptable",
    "too-slow": "Too slow",
    "too-many": "Too many files",
    "state-conflict": "Conflict",
    "not-ready": "Not ready",
    "gone": "Gone",
    "length-required": "Length required",
    "precondition": "Precondition failed",
    "precondition-required": "Precondition required",
    "too-large": "Too large",
    "quota-exceeded": "Quota exceeded",
    "uri-too-long": "Address too long",
    "media-type": "Type not taken",
    "range": "Range not satisfiable",
    "unknown-host": "Unknown host",
    "infected": "Malware found",
    "content-mismatch": "Content does not match",
    "idempotency-conflict": "Idempotency key reused",
    "offset-conflict": "Wrong offset",
    "upload-locked": "Upload in use",
    "checksum-mismatch": "Checksum mismatch",
    "rate": "Too many requests",
    "headers-too-large": "Header fields too large",
    "integrity-failure": "Integrity failure",
    "internal": "Internal error",
    "misconfigured": "Internal error",
    "store-unavailable": "Store unavailable",
    "blob-locked": "Kept by the store",
    "database-unavailable": "Database unavailable",
    "key-unavailable": "Keys unavailable",
    "scanner-unavailable": "Scanner unavailable",
    "desk-unavailable": "Ticket system unavailable",
    "desk-refused": "Refused by the ticket system",
    "facts-stale": "Facts too old",
    "storage-full": "Storage full",
}


@dataclass(frozen=True, slots=True)
class Problem:
    """One problem, ready to be shown as JSON or as a page. ``extra`` are extension members and ``headers`` fields."""

    status: int
    name: str
    detail: str
    extra: Mapping[str, Any]
    headers: Mapping[str, str]

    @property
    def title(self) -> str:
        """The stable title of the type."""
        return TITLES[self.name]


def of_error(error: errors.BilagaError) -> Problem:
    """The problem of an error, by the nearest row of ``PROBLEMS`` in its class's ancestry."""
    status = next(PROBLEMS[kind] for kind in type(error).__mro__ if kind in PROBLEMS)
    headers: dict[str, str] = {}
    extra = {name: value for name, value in error.facts.items() if name != "headers"}
    detail = error.detail
    if isinstance(error, errors.Gone):
        # Expired, revoked and used up look alike from outside: same words, no facts (contract, HTTP).
        detail, extra = (errors.Gone.__doc__ or "").split("\n", 1)[0], {}
    elif isinstance(error, errors.NotFound):
        detail, extra = (errors.NotFound.__doc__ or "").split("\n", 1)[0], {}
    elif isinstance(error, errors.Damaged | errors.Misconfigured):
        detail, extra = (errors.Damaged.__doc__ or "").split("\n", 1)[0], {}
    elif isinstance(error, errors.Unavailable):
        headers["Retry-After"] = str(error.retry_after)
        detail = (type(error).__doc__ or "").split("\n", 1)[0]
    if isinstance(error, errors.RateLimited | errors.NotReady | errors.TooSlow):
        headers["Retry-After"] = str(error.facts.get("retry_after", 5))
    if isinstance(error, errors.RangeNotSatisfiable):
        headers["Content-Range"] = f"bytes */{error.facts.get('size', '*')}"
    if isinstance(error, errors.LoginRequired):
        headers["WWW-Authenticate"] = 'Bearer realm="bilaga"'
    if isinstance(error, errors.OffsetConflict):
        extra = {name: value for name, value in extra.items() if name == "type"}
        offset = error.facts.get("offset")
        extra |= {"expected-offset": offset, "provided-offset": error.facts.get("provided")}
        headers |= {"Upload-Offset": str(offset), "Upload-Complete": "?0"}
    if error.field is not None and status < 500 and status not in {404, 410}:
        extra["field"] = error.field
    return Problem(status, error.code, detail, extra, headers)


def of_status(status: int, headers: Mapping[str, str] | None = None) -> Problem:
    """The problem of a refusal by the framework."""
    name, detail = FRAMEWORK.get(status, FRAMEWORK[400])
    return Problem(status, name, detail, {}, headers or {})


def internal() -> Problem:
    """A bug of ours: the caller learns the request id and nothing else."""
    return Problem(500, "internal", "Something went wrong on our side; nothing was lost.", {}, {})


def answer(problem: Problem, request_id: str) -> web.Response:
    """The problem as JSON."""
    body = {
        "type": URN + problem.name,
        "title": problem.title,
        "status": problem.status,
        "detail": problem.detail,
        "instance": f"urn:bilaga:request:{request_id}",
        **problem.extra,
    }
    return web.Response(
        status=problem.status,
        reason=REASONS.get(problem.status),
        body=json.dumps(body, ensure_ascii=False, default=str).encode(),
        content_type=CONTENT_TYPE,
        headers={**problem.headers, "Cache-Control": "no-store"},
    )
