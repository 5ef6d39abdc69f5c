"""Any system that can send JSON: Standard Webhooks, signed, and a table that says where in it what stands.

Such a system has no API that we know: its signed word counts. Source: Standard Webhooks 1.0.0
(``webhook-id``, ``webhook-timestamp``, ``webhook-signature``).
"""

from __future__ import annotations

import hmac
from base64 import b64decode, b64encode
from binascii import Error
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Any

from domain.errors import BadInput, LoginRequired, Misconfigured
from domain.ticket import TicketStatus
from tickets.answers import MISSING, at_path, body_of, day, email, identifier, instant, line, microseconds, number, tags
from tickets.checks import MAX_NAME, MAX_SUBJECT
from tickets.connectors import Made
from tickets.desk import Delivery, Hint, SourceTicket, Standing
from tickets.said import UNSAID, OrganisationFact, TicketFact, Unsaid
from tickets.secret_hook import any_of
from tickets.section import Section
from tickets.signed_hook import is_fresh

STATUSES: Mapping[str, TicketStatus] = {status.value: status for status in TicketStatus}
FIELDS = frozenset(
    {
        "id",
        "ref",
        "status",
        "subject",
        "requester_email",
        "requester_name",
        "opened_at",
        "closed_at",
        "last_activity_at",
        "updated_at",
        "channel",
        "tags",
        "deleted",
        "organisation",
        "organisation_name",
        "contract_ends_on",
    }
)
"""What may be told; ``id`` or ``ref`` has to be."""
PREFIX = "whsec_"
LEAST_BYTES, MOST_BYTES = 24, 64
"""Of a secret, by the specification."""
MOST_TICKETS = 100


@dataclass(frozen=True, slots=True)
class Mapped:
    """Where in a body what stands: dotted paths by our words. ``tickets``: of the list of them, None: it is one."""

    fields: Mapping[str, str]
    statuses: Mapping[str, TicketStatus]
    tickets: str | None = None
    prefix: str = ""


class StandardHook:
    """Reads them. ``keys``: any of them will do, so that a secret can be changed without a gap."""

    def __init__(self, keys: Sequence[bytes], mapped: Mapped) -> None:
        self._keys = tuple(keys)
        self._mapped = mapped

    def hint(self, delivery: Delivery) -> Hint:
        """As ``Hook.hint``. What it says of tickets and organisations is taken as said."""
        said_id = delivery.headers.get("webhook-id", "")
        written = delivery.headers.get("webhook-timestamp", "")
        seconds = number(written)
        at = datetime.fromtimestamp(seconds, UTC) if seconds is not None and seconds < 1 << 36 else None
        genuine = verify(self._keys, said_id, written, delivery.body, delivery.headers.get("webhook-signature", ""))
        if not genuine or not said_id or not is_fresh(at, delivery.received_at):
            raise LoginRequired
        body = body_of(delivery.body)
        found = body if self._mapped.tickets is None else at_path(body, self._mapped.tickets)
        items = found if isinstance(found, list) else [found]
        facts = [_ticket(one, self._mapped, at or delivery.received_at) for one in items if isinstance(one, dict)]
        if not facts or len(facts) > MOST_TICKETS:
            raise BadInput("No ticket is named in this, or too many are.")
        organisations = {one.organisation.ref: one.organisation for one in facts if one.organisation is not None}
        return Hint((), key=said_id, facts=facts, organisations=tuple(organisations.values()))


def verify(keys: Sequence[bytes], message_id: str, timestamp: str, body: bytes, signatures: str) -> bool:
    """Whether one of the signatures is ours: ``v1,`` and base64 of HMAC-SHA-256 over ``id.timestamp.body``."""
    signed = f"{message_id}.{timestamp}.".encode(errors="surrogateescape") + body
    wanted = [f"v1,{b64encode(hmac.digest(key, signed, 'sha256')).decode()}" for key in keys]
    return sum(any_of(one, wanted) for one in signatures.split(" ")[:16] if one.startswith("v1,")) > 0


def signing_key(secret: str) -> bytes:
    """The bytes of ``whsec_…``, also as it is made here: of letters that need no escaping, without padding. Raises
    Misconfigured."""
    try:
        key = b64decode(_plain(secret), validate=True)
    except (Error, ValueError):
        key = b""
    if not LEAST_BYTES <= len(key) <= MOST_BYTES:
        detail = f"webhook_secret: {PREFIX} and base64 of {LEAST_BYTES} to {MOST_BYTES} bytes are needed"
        raise Misconfigured(detail, field="webhook_secret")
    return key


def _plain(secret: str) -> str:
    written = secret.removeprefix(PREFIX).rstrip("=").replace("-", "+").replace("_", "/")
    return written + "=" * (-len(written) % 4)


def _ticket(item: Mapping[str, Any], mapped: Mapped, sent_at: datetime) -> SourceTicket:
    """Raises BadInput for one without a name, or with a status that the table does not know."""

    def told(name: str) -> Any:
        path = mapped.fields.get(name)
        return MISSING if path is None else at_path(item, path)

    name = identifier(told("ref")) or identifier(told("id"))
    ref = identifier(f"{mapped.prefix}{name}") if name is not None else None
    if name is None or ref is None:
        raise BadInput("A ticket has no name.", field="ref")
    organisation = _organisation(told)
    closed_at = _optional(told("closed_at"), instant)
    return SourceTicket(
        id=identifier(told("id")) or name,
        version=microseconds(instant(told("updated_at")) or sent_at),
        fact=TicketFact(
            ref=ref,
            status=_status(told("status"), mapped),
            subject=_optional(told("subject"), lambda value: line(value, MAX_SUBJECT)),
            requester_email=_optional(told("requester_email"), email),
            requester_name=_optional(told("requester_name"), lambda value: line(value, MAX_NAME)),
            organisation=organisation.ref if isinstance(organisation, OrganisationFact) else organisation,
            opened_at=_optional(told("opened_at"), instant),
            last_activity_at=instant(told("last_activity_at")) or instant(told("updated_at")) or UNSAID,
            closed_at=UNSAID if closed_at is None else closed_at,
            channel=_optional(told("channel"), lambda value: line(value, 64)),
            tags=UNSAID if told("tags") is MISSING else tags(told("tags")),
        ),
        organisation=organisation if isinstance(organisation, OrganisationFact) else None,
        standing=Standing.TRASHED if told("deleted") is True else Standing.PRESENT,
    )


def _status(value: Any, mapped: Mapped) -> TicketStatus | Unsaid:
    if value is MISSING or value is None:
        return UNSAID
    found = mapped.statuses.get(str(value).casefold())
    if found is None:
        raise BadInput("This status stands for nothing: see to statuses.", field="status")
    return found


def _organisation(told: Any) -> OrganisationFact | Unsaid | None:
    value = told("organisation")
    if value is MISSING or value is None:
        return UNSAID if value is MISSING else None
    ref = identifier(value)
    if ref is None:
        raise BadInput("An organisation has no name.", field="organisation")
    ends_on: date | Unsaid | None = UNSAID
    written = told("contract_ends_on")
    if written is not MISSING:
        ends_on = day(written)
        if ends_on is None and written not in (None, ""):
            raise BadInput("The contract's end is no day.", field="contract_ends_on")
    name = _optional(told("organisation_name"), lambda one: line(one, MAX_NAME))
    return OrganisationFact(ref=ref, name=name, contract_ends_on=ends_on)


def _optional(value: Any, read: Any) -> Any:
    return UNSAID if value is MISSING else read(value)


def make(section: Mapping[str, Any]) -> Made:
    """A connector of a section's settings. Raises Misconfigured."""
    said = Section(section)
    fields = said.words("fields")
    for name in fields:
        if name not in FIELDS:
            raise Misconfigured(f"fields: {name} is none; there are {', '.join(sorted(FIELDS))}", field="fields")
    if not {"id", "ref"} & set(fields):
        raise Misconfigured("fields: id or ref must say where a ticket's name stands", field="fields")
    keys = [signing_key(one) for one in said.secrets()]
    mapped = Mapped(fields, said.statuses(STATUSES), said.text("tickets", "") or None, said.prefix())
    said.done()
    return Made(None, StandardHook(keys, mapped) if keys else None, recipe)


def recipe(address: str, secret: str) -> str:
    """What to set up in the system."""
    return "\n".join(
        (
            "Send a signed webhook (Standard Webhooks, v1: HMAC-SHA-256) whenever a ticket was changed.",
            f"  address  {address}",
            f"  secret   {PREFIX}{_plain(secret)}",
        )
    )
