"""Every error Bilaga raises on purpose, in families by what the caller can do about it.

An error knows neither HTTP nor exit codes: ``web/problems.py`` and ``cli/exits.py`` hold the only two tables, and
``tests/shape`` demands a row in both for every leaf. The first line of a class's docstring is the sentence a person
reads. ``field`` names the offending input where there is one; ``facts`` are further members safe to show the caller.
"""

from __future__ import annotations

from typing import Any, ClassVar


class BilagaError(Exception):
    """Something did not go as asked."""

    code: ClassVar[str] = "error"

    def __init__(self, detail: str | None = None, *, field: str | None = None, **facts: Any) -> None:
        self.detail = detail or (type(self).__doc__ or "").split("\n", 1)[0]
        self.field = field
        self.facts = facts
        super().__init__(self.detail)


# -- Refused: asking again, unchanged, changes nothing -----------------------------------------------------------------
class Refused(BilagaError):
    """The request was refused."""


class BadInput(Refused):
    """The request is malformed."""

    code = "bad-request"


class LoginRequired(Refused):
    """Sign in first."""

    code = "login-required"


class NotAllowed(Refused):
    """You do not have the right to do this."""

    code = "forbidden"


class CsrfRefused(Refused):
    """The request did not come from our own page."""

    code = "csrf"


class WrongPasscode(Refused):
    """The passcode is wrong."""

    code = "passcode"


class CodeNeeded(Refused):
    """A code mailed to the recipient is needed."""

    code = "recipient-code"


class NotFound(Refused):
    """There is nothing here."""

    code = "not-found"


class LinkUnknown(NotFound):
    """This link is not known."""

    code = "not-found"


class Gone(Refused):
    """This is no longer available."""

    code = "gone"


class LinkExpired(Gone):
    """This link has expired."""


class LinkRevoked(Gone):
    """This link was revoked."""


class LinkUsedUp(Gone):
    """This link is used up."""


class AlreadyPurged(Gone):
    """This attachment has been erased."""


class TooLarge(Refused):
    """The file is larger than allowed."""

    code = "too-large"


class QuotaExceeded(Refused):
    """There is not enough room left for this file here."""

    code = "quota-exceeded"


class TooMany(Refused):
    """No more files can be sent here."""

    code = "too-many"


class TypeNotAllowed(Refused):
    """Files of this type are not taken here."""

    code = "media-type"


class ContentMismatch(Refused):
    """The content of the file is not what its name says."""

    code = "content-mismatch"


class Infected(Refused):
    """Malware was found in the file."""

    code = "infected"


class IncompleteBody(Refused):
    """The body ended before it was complete."""

    code = "bad-request"


class TooSlow(Refused):
    """The request came in too slowly."""

    code = "too-slow"


class RateLimited(Refused):
    """Too many requests; wait a little."""

    code = "rate"


class StateConflict(Refused):
    """This cannot be done in the present state."""

    code = "state-conflict"


class UnderHold(StateConflict):
    """A legal hold forbids this."""


class FactsStale(StateConflict):
    """What the ticket system said of this is too old to erase anything by."""

    code = "facts-stale"


class NotReady(Refused):
    """The file is still being checked."""

    code = "not-ready"


class Quarantined(Refused):
    """The file is held in quarantine."""

    code = "quarantined"


class OffsetConflict(StateConflict):
    """The upload goes on at another offset."""

    code = "offset-conflict"  # fact: ``offset``, where it goes on


class UploadLocked(Refused):
    """Another request is still writing to this upload; try again in a moment."""

    code = "upload-locked"


class UploadTakenOver(UploadLocked):
    """A newer request has taken this upload over."""


class ChecksumMismatch(Refused):
    """What came in does not have the digest that was announced."""

    code = "checksum-mismatch"


class IdempotencyConflict(Refused):
    """This idempotency key was used with another request."""

    code = "idempotency-conflict"


class RangeNotSatisfiable(Refused):
    """The range lies outside the file."""

    code = "range"


class PreconditionFailed(Refused):
    """A precondition of the request does not hold."""

    code = "precondition"


class UnknownHost(Refused):
    """This service does not answer for that host name."""

    code = "unknown-host"


class BrakeApplied(Refused):
    """A brake stopped the run before anything was purged."""

    code = "state-conflict"


# -- Damaged: stored data is not what it was; never retried, always an audit event -----------------------------------
class Damaged(BilagaError):
    """Stored data failed its authentication."""

    code = "integrity-failure"


class SegmentForged(Damaged):
    """A segment failed its authentication."""


class StreamTruncated(Damaged):
    """The sealed stream has the wrong length."""


class HeaderUnknown(Damaged):
    """The sealed stream has an unknown header."""


class WrongContext(Damaged):
    """The key or the stream belongs to something else."""


class BlobMissing(Damaged):
    """The blob of an attachment is missing."""


class ChainBroken(Damaged):
    """The audit log was changed."""


# -- Unavailable: later may work ---------------------------------------------------------------------------------------
class Unavailable(BilagaError):
    """A part of the service is not available right now; nothing was lost."""

    retry_after: ClassVar[int] = 5


class BlobsUnavailable(Unavailable):
    """The store is not available right now."""

    code = "store-unavailable"


class BlobLocked(Unavailable):
    """The store does not let go of this file yet."""

    code = "blob-locked"
    retry_after = 3600


class RecordsUnavailable(Unavailable):
    """The database is not available right now."""

    code = "database-unavailable"


class OutcomeUnknown(RecordsUnavailable):
    """The database went away in a commit; whether it was kept, nobody can tell yet."""


class KeysUnavailable(Unavailable):
    """The keys are not available right now."""

    code = "key-unavailable"


class ScannerUnavailable(Unavailable):
    """The malware scanner is not available right now."""

    code = "scanner-unavailable"


class DeskUnavailable(Unavailable):
    """The ticket system is not available right now."""

    code = "desk-unavailable"

    def __init__(self, detail: str | None = None, *, wait: float | None = None, **facts: Any) -> None:
        super().__init__(detail, **facts)
        self.wait = wait
        """Seconds it asked us to wait; None: it did not say."""


class DeskRefused(Unavailable):
    """The ticket system does not let us: its credentials or rights have to be seen to."""

    code = "desk-refused"
    retry_after = 300


class Draining(Unavailable):
    """The service is stopping."""

    code = "store-unavailable"


class StorageFull(Unavailable):
    """There is no space left."""

    code = "storage-full"
    retry_after = 60


# -- Misconfigured: only at start --------------------------------------------------------------------------------------
class Misconfigured(BilagaError):
    """A setting is wrong."""

    code = "misconfigured"


class SchemaOld(Misconfigured):
    """The database has an older schema; run `bilaga db upgrade`."""


class RestoreNeeded(Misconfigured):
    """This database is older than its audit log's second place: run `bilaga restore`."""


class SiteMoved(Misconfigured):
    """This site was moved, and lives elsewhere now."""


class MoveUnfinished(Misconfigured):
    """This site is being moved; run `bilaga move` again from where it comes from."""


class SiteLocked(Misconfigured):
    """Another process already serves this data folder."""
