"""An installation of Bilaga: everything but the web, as commands use it and the service is built on it."""

from __future__ import annotations

from dataclasses import dataclass

from access import People
from audit import Log
from crypto import KeyRing
from domain.clock import Clock
from domain.link import LinkKind
from keys import Keys, Rotation
from links import Issuing, Listing, Passcodes, RecipientCodes, Redeeming, Revoking
from mail import MailAddresses
from retention import HoldsDesk, Outlook, Policies, Purge
from settings import Settings
from storage import BlobStore, Digesting, Records
from subjects import Erasing, Exporting
from tickets import POLICY, Connectors, Dates, Facts, Hooks, Reconcile, View
from transfer import Archiving, Limits, Recovery, Sending, Steps

PUBLIC_URL = "public-url"
"""The mark under which the service keeps its address, for commands beside it."""


@dataclass(frozen=True, slots=True)
class Site:
    """Everything of a site but the web: what commands use, and what the service is built on."""

    settings: Settings
    clock: Clock
    records: Records
    blobs: BlobStore
    ring: KeyRing
    log: Log
    keys: Keys
    rotation: Rotation
    people: People
    policies: Policies
    facts: Facts
    connectors: Connectors
    reconcile: Reconcile
    hooks: Hooks
    view: View
    outlook: Outlook
    holds: HoldsDesk
    purge: Purge
    issuing: Issuing
    listing: Listing
    revoking: Revoking
    redeeming: Redeeming
    passcodes: Passcodes
    codes: RecipientCodes
    sending: Sending
    archiving: Archiving
    recovery: Recovery
    exporting: Exporting
    erasing: Erasing
    limits: Limits
    digesting: Digesting
    steps: Steps
    shared: bool
    """Whether other nodes may serve the same site at the same time."""
    created: bool
    """Whether this very start made the site."""
    mail_addresses: MailAddresses | None = None
    """Addresses of tickets; None where mail has no door."""

    @property
    def public_url(self) -> str:
        """What links begin with: the setting, else what the service last said it listens on."""
        said = self.records.read(lambda unit: unit.site.get(PUBLIC_URL))
        return self.settings.public_url or said or "http://127.0.0.1:8080"

    def link_url(self, kind: LinkKind, token: str) -> str:
        """A link's address."""
        return f"{self.public_url}/{'u' if kind is LinkKind.UPLOAD else 'd'}/{token}"

    def is_policy_followed(self) -> bool:
        """Whether the configured policy is the one in force: it may wait for somebody's confirmation."""
        return self.records.read(self.policies.is_followed)

    def follow_policy(self) -> int:
        """Let the configured policy take effect where nobody has to confirm it, and keep the dates; as ``keep_dates``.

        For the service and the purge only: another command may be run without the site's configuration.
        """
        self.policies.follow(self.records)
        return self.keep_dates()

    def keep_dates(self) -> int:
        """Compute every due date anew where the policy in force is not the one of the last time; how many tickets
        changed."""
        current, known = self.records.read(lambda unit: (self.policies.current(unit), unit.site.get(POLICY)))
        if known == current.fingerprint:
            return 0
        return Dates(self.policies.decide).recompute(self.records, current.fingerprint)
