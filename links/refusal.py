"""Why a link was refused: the truth for the audit log, where a stranger sees 404 or 410 only."""

from __future__ import annotations

from audit import Log
from crypto import TokenPurpose, is_token, token_digest
from domain.actor import Actor, Role
from domain.errors import (
    AlreadyPurged,
    BilagaError,
    CodeNeeded,
    LinkExpired,
    LinkRevoked,
    LinkUnknown,
    LinkUsedUp,
    RateLimited,
    WrongPasscode,
)
from domain.event import Event, EventKind
from domain.ids import LinkId
from storage import Unit

_CAUSES: dict[type[BilagaError], str] = {
    LinkUnknown: "unknown",
    LinkExpired: "expired",
    LinkRevoked: "revoked",
    LinkUsedUp: "used-up",
    AlreadyPurged: "purged",
    WrongPasscode: "passcode",
    CodeNeeded: "recipient-code",
    RateLimited: "rate",
}


def record_refusal(unit: Unit, log: Log, link_id: LinkId | None, cause: BilagaError) -> None:
    """Write ``link.refused`` with its true cause. In a transaction of its own: the one that refused rolled back."""
    word = next((word for kind, word in _CAUSES.items() if isinstance(cause, kind)), cause.code)
    log.append(unit, Event(EventKind.LINK_REFUSED, Actor(Role.REQUESTER), link_id, {"cause": word}))


def link_of_token(unit: Unit, token: str) -> LinkId | None:
    """Whose token it is: an upload link's, a download link's, or a grant's; None: nobody's."""
    if is_token(TokenPurpose.GRANT, token):
        grant = unit.grants.by_digest(token_digest(token))
        return grant.link_id if grant else None
    link = unit.links.by_digest(token_digest(token))
    return link.id if link else None
