"""The composition root: engines become rooms, rooms a site."""

from __future__ import annotations

import resource
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager

from access import People
from audit import FileExport, Log
from crypto import KeyRing, Signer, selftest
from desks import open_connectors, open_reconcile
from domain.clock import Clock, system_clock
from engines import Engines, open_engines
from installation import Site
from keys import Keys, Rotation
from links import Issuing, LinkLimits, Listing, Passcodes, RecipientCodes, Redeeming, Revoking
from mail import MailAddresses
from places import places
from retention import FAR_PACE, OVERWRITTEN, PACE, Brakes, CertificateDesk, HoldsDesk, Outlook, Policies, Policy, Purge
from settings import Settings
from storage import DatabaseClock
from storage.blobs.file import FileBlobStore
from subjects import Erasing, Exporting, Gathering, Search
from tickets import Facts, Freshness, Hooks, View
from transfer import Archiving, Endings, Limits, Recovery, Sending, Steps


def unwatched(step: str) -> None:
    """Nobody watches the steps; crash tests hand in something that kills the process at one."""


@contextmanager
def open_site(
    settings: Settings,
    *,
    serving: bool,
    clock: Clock = system_clock,
    steps: Steps = unwatched,
    store: Callable[..., FileBlobStore] = FileBlobStore,
) -> Iterator[Site]:
    """A site, closed in reverse order. ``serving``: this process alone serves it and checkpoints its database.
    ``steps`` and ``store`` are seams: crash tests hand in what kills the process at a step, or at a call of the disk.

    The first start makes data folder, database and key file. Raises Misconfigured, SiteLocked, SchemaOld.
    """
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))  # S-29: no plaintext in a core dump
    selftest()
    with ExitStack() as stack:
        engines = open_engines(settings, clock, stack, serving=serving, file_store=store)
        # Nodes agree about the time by the database's clock (S-76); a test's own clock is one already.
        follows = engines.shared and clock is system_clock
        shared_clock = DatabaseClock(engines.records) if follows else clock
        yield _assemble(settings, shared_clock, engines, machine=clock, steps=steps)


def _assemble(settings: Settings, clock: Clock, engines: Engines, *, machine: Clock, steps: Steps) -> Site:
    records, blobs, ring = engines.records, engines.blobs, engines.ring
    installation = ring.installation
    signer = Signer(f"bilaga/{installation}", ring.secret("audit-signing"))
    export = None if settings.audit_export is None else FileExport(settings.audit_export)
    log = Log(signer, clock, installation, export)
    keys = Keys(ring)
    policy = Policy.from_mapping(settings.retention)
    policies = Policies(log, clock, policy)
    passcodes = Passcodes(log, clock, ring.secret("passcode-cookies"))
    sending = Sending(records, blobs, keys, log, clock)
    links = settings.links
    facts = Facts(keys, log, policies.decide, clock, ring.secret("search-index"))
    connectors = open_connectors(settings, ring)
    fresh = Freshness(connectors.asks, clock).check
    outlook, view, listing = Outlook(policies.decide, fresh), View(keys), Listing(keys)
    people = People(
        log,
        clock,
        ring.secret("people"),
        idle=settings.session_idle,
        longest=settings.session_longest,
    )
    purge = Purge(
        records,
        blobs,
        keys,
        log,
        policies.decide,
        clock=clock,
        brakes=Brakes(machine=machine),
        certificates=CertificateDesk(
            signer, installation, settings.keys_horizon, None if engines.shared else OVERWRITTEN
        ),
        steps=steps,
        together=engines.shared,
        clearing=engines.clearing,
        pace=PACE if engines.clearing is None else FAR_PACE,
        fresh=fresh,
    )
    issuing = Issuing(
        keys,
        log,
        clock,
        LinkLimits(links.upload_expires_in, links.download_expires_in, links.longest),
        find_by=facts.email_digest,
    )
    search = Search(records, facts, listing, people, ring.secret("letters"))
    gathering = Gathering(search, view, listing, outlook, keys, clock)
    return Site(
        settings=settings,
        clock=clock,
        records=records,
        blobs=blobs,
        ring=ring,
        log=log,
        keys=keys,
        rotation=Rotation(records, ring, keys, log, clock, horizon=settings.keys_horizon, steps=steps),
        people=people,
        policies=policies,
        facts=facts,
        connectors=connectors,
        reconcile=open_reconcile(settings, records, keys, facts, clock, issuing=issuing, connectors=connectors),
        hooks=Hooks(records, facts, clock, connectors),
        view=view,
        outlook=outlook,
        holds=HoldsDesk(keys, log, clock, review=policy.hold_review, zone=policy.zone),
        purge=purge,
        issuing=issuing,
        listing=listing,
        revoking=Revoking(log, clock),
        redeeming=Redeeming(keys, log, clock, passcodes),
        passcodes=passcodes,
        codes=RecipientCodes(
            keys, log, clock, passcodes, secret=ring.secret("recipient-codes"), letters=ring.secret("letters")
        ),
        sending=sending,
        archiving=Archiving(records, sending),
        recovery=Recovery(records, blobs, log, clock, steps=steps),
        exporting=Exporting(records, search, gathering, sending, log, clock, places=places(settings)),
        erasing=Erasing(records, search, outlook, purge, Endings(log, blobs), people, log, clock, steps=steps),
        limits=Limits(
            int(settings.max_file_size),
            ticket_max_bytes=settings.ticket_max_bytes,
            organisation_max_bytes=settings.organisation_max_bytes,
        ),
        digesting=blobs,
        steps=steps,
        shared=engines.shared,
        created=engines.created,
        mail_addresses=_mail_addresses(settings, ring),
    )


def _mail_addresses(settings: Settings, ring: KeyRing) -> MailAddresses | None:
    door = settings.mail
    if door.listen is None or door.domain is None:
        return None
    return MailAddresses(
        ring.secret("mail-addresses"), door.domain, plain=door.plain_addresses, closed=door.closed_tickets
    )
