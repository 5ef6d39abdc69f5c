"""Which kind of ticket system a connector's settings mean, and what reads them: beside ``server.py``, the only one that
knows the kinds.

A kind is imported where it is asked for. A further one is a line in ``KINDS`` and a function.
"""

from __future__ import annotations

import base64
from collections.abc import Callable, Mapping
from urllib.parse import quote

from crypto import KeyRing, keyed_digest
from domain.actor import SYSTEM
from domain.clock import Clock
from domain.errors import Misconfigured
from installation import PUBLIC_URL
from keys import Keys
from links import Issuing
from settings import Settings, in_clear
from storage import Records, Unit
from tickets import Connectors, Facts, Maker, Notes, Reconcile, Writing


def _freshdesk() -> Maker:
    from tickets.freshdesk_section import make

    return make


def _request_tracker() -> Maker:
    from tickets.request_tracker import make

    return make


def _zendesk() -> Maker:
    from tickets.zendesk import make

    return make


def _zammad() -> Maker:
    from tickets.zammad import make

    return make


def _jira() -> Maker:
    from tickets.jira import make

    return make


def _generic() -> Maker:
    from tickets.generic import make

    return make


KINDS: Mapping[str, Callable[[], Maker]] = {
    "freshdesk": _freshdesk,
    "generic": _generic,
    "jira": _jira,
    "request-tracker": _request_tracker,
    "zammad": _zammad,
    "zendesk": _zendesk,
}


def maker(kind: str) -> Maker:
    """What makes connectors of a kind. Raises Misconfigured for one nobody knows."""
    if kind not in KINDS:
        raise Misconfigured(f"kind: one of {', '.join(sorted(KINDS))}", field="kind")
    return KINDS[kind]()


def open_connectors(settings: Settings, ring: KeyRing) -> Connectors:
    """The connectors of the settings, none of them made yet. Raises Misconfigured for what is wrong in their frame."""

    def secret(name: str, number: int) -> str:
        digest = keyed_digest(ring.secret("webhooks"), f"{name}\0{number}")
        return base64.urlsafe_b64encode(digest).decode().rstrip("=")

    sections = {name: in_clear(section) for name, section in settings.connectors.items()}
    return Connectors(sections, maker, secret)


def open_reconcile(
    settings: Settings,
    records: Records,
    keys: Keys,
    facts: Facts,
    clock: Clock,
    *,
    issuing: Issuing,
    connectors: Connectors,
) -> Reconcile:
    """What reads them, and writes on their tickets."""

    def base(unit: Unit) -> str:
        return settings.public_url or unit.site.get(PUBLIC_URL) or "http://127.0.0.1:8080"

    def upload_link(unit: Unit, ref: str) -> str:
        issued = issuing.upload(unit, SYSTEM, ref, language=settings.default_language)
        return f"{base(unit)}/u/{issued.token}"

    def ticket_address(unit: Unit, ref: str) -> str:
        return f"{base(unit)}/agent/tickets/{quote(ref, safe='')}"

    notes = Notes(records, keys, clock, Writing(upload_link, ticket_address, settings.default_language))
    return Reconcile(records, facts, clock, connectors, notes)
