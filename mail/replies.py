"""Error → reply: the one table of what a sender's server is told (RFC 5321, RFC 3463, RFC 2033).

5xx only for what coming again would not change; everything else is 4xx, and the sender's server keeps the message.
"""

from __future__ import annotations

from collections.abc import Mapping

from domain import errors

TAKEN = "250 2.0.0 taken, and handed on"
UNKNOWN = "550 5.1.1 no such address here"
"""The same for what was never there, what is closed and what is erased."""
ONE_AT_A_TIME = "452 4.5.3 one recipient at a time"
BUSY = "451 4.3.2 too many messages at once, come again"
LATER = "451 4.3.0 not possible right now, come again"
LOOP = "554 5.4.6 this message has been here before"
TOO_BIG = "552 5.3.4 the message is larger than allowed"

REPLIES: Mapping[type[errors.BilagaError], str] = {
    errors.NotFound: UNKNOWN,
    errors.Gone: UNKNOWN,
    errors.NotAllowed: "550 5.7.1 not allowed",
    errors.TooLarge: TOO_BIG,
    errors.QuotaExceeded: "452 4.2.2 no room left here for these files",
    errors.TooMany: "452 4.2.2 no more files can be taken here",
    errors.TypeNotAllowed: "554 5.7.1 a file of this type is not taken here",
    errors.ContentMismatch: "554 5.7.1 a file is not what its name says",
    errors.Infected: "554 5.7.1 malware was found in a file",
    errors.BadInput: "554 5.6.0 the message cannot be read",
    errors.RateLimited: BUSY,
    errors.StorageFull: "452 4.3.1 no space left",
    errors.BilagaError: LATER,
}


class Refusal(Exception):
    """A message is not taken; ``reply`` says why."""

    def __init__(self, reply: str) -> None:
        self.reply = reply
        super().__init__(reply)


def reply_to(error: errors.BilagaError) -> str:
    """The reply for an error, by the nearest row in its class's ancestry."""
    return next(REPLIES[kind] for kind in type(error).__mro__ if kind in REPLIES)
