"""Who may what: the contract's table as data, and the scope that every query of records must be given."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from domain.errors import NotAllowed
from domain.ids import OrganisationId, PrincipalId, TicketId


class Role(StrEnum):
    """The contract's roles. ``requester`` holds a link, ``system`` is a job of the service itself."""

    REQUESTER = "requester"
    AGENT = "agent"
    CONTACT = "contact"
    AUDITOR = "auditor"
    ADMIN = "admin"
    CONNECTOR = "connector"
    SYSTEM = "system"


class Action(StrEnum):
    """What can be allowed or refused. A route, a command and a page each name exactly one."""

    SEND_FILE = "send-file"
    READ_FILE = "read-file"
    READ_TICKET = "read-ticket"
    PUT_TICKET = "put-ticket"
    READ_ORGANISATION = "read-organisation"
    PUT_ORGANISATION = "put-organisation"
    MAKE_LINK = "make-link"
    REVOKE_LINK = "revoke-link"
    ERASE_FILE = "erase-file"
    PLACE_HOLD = "place-hold"
    RELEASE_HOLD = "release-hold"
    READ_RETENTION = "read-retention"
    PURGE = "purge"
    KEYS = "keys"
    READ_AUDIT = "read-audit"
    READ_OWN_AUDIT = "read-own-audit"
    READ_CERTIFICATE = "read-certificate"
    READ_METRICS = "read-metrics"
    EXPORT_SUBJECT = "export-subject"
    ERASE_SUBJECT = "erase-subject"


_A = Action
MAY: dict[Role, frozenset[Action]] = {
    # A requester's rights are the link's: links.redeem gives them, nothing else does.
    Role.REQUESTER: frozenset({_A.SEND_FILE}),
    Role.AGENT: frozenset(
        {
            _A.SEND_FILE,
            _A.READ_FILE,
            _A.READ_TICKET,
            _A.PUT_TICKET,
            _A.READ_ORGANISATION,
            _A.MAKE_LINK,
            _A.REVOKE_LINK,
            _A.READ_RETENTION,
            _A.READ_OWN_AUDIT,
        }
    ),
    Role.CONTACT: frozenset(
        {
            _A.SEND_FILE,
            _A.READ_FILE,
            _A.READ_TICKET,
            _A.READ_ORGANISATION,
            _A.MAKE_LINK,
            _A.REVOKE_LINK,
            _A.READ_RETENTION,
        }
    ),
    Role.AUDITOR: frozenset(
        {_A.READ_TICKET, _A.READ_RETENTION, _A.READ_AUDIT, _A.READ_CERTIFICATE, _A.READ_METRICS, _A.READ_ORGANISATION}
    ),
    Role.ADMIN: frozenset(
        {
            _A.SEND_FILE,
            _A.READ_TICKET,
            _A.PUT_TICKET,
            _A.READ_ORGANISATION,
            _A.PUT_ORGANISATION,
            _A.REVOKE_LINK,
            _A.ERASE_FILE,
            _A.PLACE_HOLD,
            _A.RELEASE_HOLD,
            _A.READ_RETENTION,
            _A.PURGE,
            _A.KEYS,
            _A.READ_AUDIT,
            _A.READ_CERTIFICATE,
            _A.READ_METRICS,
            _A.EXPORT_SUBJECT,
            _A.ERASE_SUBJECT,
        }
    ),
    Role.CONNECTOR: frozenset(
        {
            _A.SEND_FILE,
            _A.READ_TICKET,
            _A.PUT_TICKET,
            _A.READ_ORGANISATION,
            _A.PUT_ORGANISATION,
            _A.MAKE_LINK,
            _A.REVOKE_LINK,
            _A.READ_RETENTION,
        }
    ),
    Role.SYSTEM: frozenset(Action),
}

# "By policy" in the contract's table: the site's settings may add these, and only these, to a role.
BY_POLICY: dict[Role, frozenset[Action]] = {
    Role.AGENT: frozenset({_A.PLACE_HOLD, _A.ERASE_FILE}),
    Role.ADMIN: frozenset({_A.READ_FILE}),
}


@dataclass(frozen=True, slots=True)
class Scope:
    """What a query may see; every read of records is given one, and applies it in SQL.

    ``organisation_id`` limits to one organisation, ``ticket_id`` to one ticket; both None: everything.
    """

    organisation_id: OrganisationId | None = None
    ticket_id: TicketId | None = None


EVERYTHING = Scope()


@dataclass(frozen=True, slots=True)
class Actor:
    """Who acts. ``principal_id`` is our id of an API key or a person; None for a requester and for the system."""

    role: Role
    principal_id: PrincipalId | None = None
    organisation_id: OrganisationId | None = None
    ticket_id: TicketId | None = None
    granted: frozenset[Action] = frozenset()
    """What the site's policy adds to the role; outside ``BY_POLICY`` it counts for nothing."""

    def may(self, action: Action) -> bool:
        """Whether the role, or the site's policy within ``BY_POLICY``, allows the action."""
        if action in MAY[self.role]:
            return True
        return action in self.granted and action in BY_POLICY.get(self.role, frozenset())

    def scope(self, action: Action) -> Scope:
        """The scope in which the actor may do this. Raises NotAllowed where it may not at all."""
        if not self.may(action):
            raise NotAllowed(action=action.value)
        if self.role is Role.CONTACT:
            if self.organisation_id is None:
                raise NotAllowed(action=action.value)
            return Scope(organisation_id=self.organisation_id)
        if self.role is Role.REQUESTER:
            if self.ticket_id is None:
                raise NotAllowed(action=action.value)
            return Scope(ticket_id=self.ticket_id)
        return EVERYTHING


SYSTEM = Actor(Role.SYSTEM)
