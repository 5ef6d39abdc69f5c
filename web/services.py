"""What the web is given: one frozen object of use cases, under one key of the application."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from urllib.parse import urlsplit

from aiohttp import web

from access import People
from audit import Log
from crypto import KeyRing, Secret
from domain.actor import Action, Role
from domain.clock import Clock
from domain.link import LinkKind
from domain.ticket import Ticket
from keys import Keys
from links import Issuing, Listing, Passcodes, RecipientCodes, Redeeming, Revoking
from retention import HoldsDesk, Outlook, Policies, Purge
from storage import BlobStore, Records
from subjects import Erasing, Exporting
from tickets import Facts, Hooks, View
from transfer import Archiving, Pump, Reception, Resuming, Scanner, Sending
from web.addresses import Addresses
from web.csrf import Csrf
from web.cursors import Cursors
from web.flight import Flight
from web.hop import Hop
from web.identity import Sessions
from web.metrics import Metrics
from web.pages import Pages
from web.rates import Rates


@dataclass(frozen=True, slots=True)
class Secrets:
    """Secrets of the site, one for a purpose (S-33)."""

    idempotency: Secret
    addresses: Secret


@dataclass(frozen=True, slots=True)
class Services:
    """Everything behind the routes. ``hosts``: what ``Host`` may say; ``public_url``: what links begin with;
    ``node``: the id of this process among those that serve the site."""

    records: Records
    blobs: BlobStore
    ring: KeyRing
    scanner: Scanner | None
    clock: Clock
    log: Log
    keys: Keys
    people: People
    facts: Facts
    hooks: Hooks
    view: View
    outlook: Outlook
    holds: HoldsDesk
    policies: Policies
    purge: Purge
    issuing: Issuing
    listing: Listing
    revoking: Revoking
    redeeming: Redeeming
    passcodes: Passcodes
    codes: RecipientCodes
    reception: Reception
    resuming: Resuming
    sending: Sending
    archiving: Archiving
    exporting: Exporting
    erasing: Erasing
    pump: Pump
    hop: Hop
    flight: Flight
    sessions: Sessions
    csrf: Csrf
    cursors: Cursors
    addresses: Addresses
    rates: Rates
    metrics: Metrics
    pages: Pages
    secrets: Secrets
    granted: Mapping[Role, frozenset[Action]]
    hosts: frozenset[str]
    public_url: str
    node: str
    max_file_size: int
    sends_mail: bool
    mail_address: Callable[[Ticket], str] | None = None
    """A ticket's mail address; None where mail has no door."""

    @property
    def base_path(self) -> str:
        """The path under which the site is reached, empty or ``/something``: what local redirects begin with."""
        return urlsplit(self.public_url).path

    def link_url(self, kind: LinkKind, token: str) -> str:
        """A link's address: the configured base and nothing a request said (S-57)."""
        return f"{self.public_url}/{'u' if kind is LinkKind.UPLOAD else 'd'}/{token}"


SERVICES: web.AppKey[Services] = web.AppKey("services", Services)
