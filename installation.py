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
from retention import HoldsDesk, Outlook, Policy, Purge
from settings import Settings
from storage import BlobStore, Digesting, Records
from tickets import POLICY, Dates, Facts, View
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
    policy: Policy
    facts: Facts
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
    limits: Limits
    digesting: Digesting
    steps: Steps
    shared: bool
    """Whether other nodes may serve the same site at the same time."""
    created: bool
    """Whether this very start made the site."""

    @property
    def public_url(self) -> str:
        """What links begin with: the setting, else what the service last said it listens on."""
        said = self.records.read(lambda unit: unit.site.get(PUBLIC_URL))
        return self.settings.public_url or said or "http://127.0.0.1:8080"

    def link_url(self, kind: LinkKind, token: str) -> str:
        """A link's address."""
        return f"{self.public_url}/{'u' if kind is LinkKind.UPLOAD else 'd'}/{token}"

    def is_policy_followed(self) -> bool:
        """Whether the due dates are those of this very policy: another node may have another one."""
        return self.records.read(lambda unit: unit.site.get(POLICY)) == self.policy.fingerprint

    def follow_policy(self) -> int:
        """Compute every due date anew where the policy is not the one of the last time; how many tickets changed.

        For the service and the purge only: another command may be run without the site's configuration.
        """
        return Dates(self.policy.decide).recompute(self.records, self.policy.fingerprint)
