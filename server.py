"""The composition root: settings become engines, engines rooms, rooms a site. Nobody else knows the engines."""

from __future__ import annotations

import os
import resource
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from datetime import datetime
from pathlib import Path

from access import People
from audit import FileExport, Log
from crypto import KeyRing, Signer, selftest
from crypto.key_file import FileKeyRing
from domain.clock import Clock, system_clock
from domain.errors import Misconfigured, SiteLocked
from installation import Site
from keys import Keys, Rotation
from links import Issuing, LinkLimits, Listing, Passcodes, RecipientCodes, Redeeming, Revoking
from retention import Brakes, CertificateDesk, HoldsDesk, Outlook, Policy, Purge
from settings import Settings
from storage import Records
from storage.blobs.file import FileBlobStore
from storage.records.lock import SiteLock
from storage.records.sqlite import DATABASE, SqliteRecords
from storage.records.upgrade import upgrade
from tickets import Facts, View
from transfer import Archiving, Limits, Recovery, Sending, Steps

KEY_FILE = "bilaga.key"
BLOBS = "blobs"


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
        folder = _folder(settings.data_dir)
        if serving:
            stack.enter_context(SiteLock(folder))
        database = settings.path("database_url", "sqlite", DATABASE)
        created = not database.exists()
        ring = _ring(settings.path("keys_url", "file", KEY_FILE), clock(), created=created)
        if created or serving:
            upgrade(database)
        records = SqliteRecords(database, clock=clock, checkpoints=serving)
        stack.callback(records.close)
        records.ping()
        reserve = settings.space_reserve
        blobs = store(settings.path("storage_url", "file", BLOBS), reserve=None if reserve is None else int(reserve))
        stack.callback(blobs.close)
        yield _assemble(settings, clock, records, blobs, ring, steps=steps, created=created)


def _assemble(
    settings: Settings,
    clock: Clock,
    records: Records,
    blobs: FileBlobStore,
    ring: KeyRing,
    *,
    steps: Steps,
    created: bool,
) -> Site:
    installation = ring.installation
    signer = Signer(f"bilaga/{installation}", ring.secret("audit-signing"))
    export = None if settings.audit_export is None else FileExport(settings.audit_export)
    log = Log(signer, clock, installation, export)
    keys = Keys(ring)
    policy = Policy.from_mapping(settings.retention)
    passcodes = Passcodes(log, clock, ring.secret("passcode-cookies"))
    sending = Sending(records, blobs, keys, log, clock)
    links = settings.links
    return Site(
        settings=settings,
        clock=clock,
        records=records,
        blobs=blobs,
        ring=ring,
        log=log,
        keys=keys,
        rotation=Rotation(records, ring, keys, log, clock, horizon=settings.keys_horizon, steps=steps),
        people=People(
            log,
            clock,
            ring.secret("people"),
            idle=settings.session_idle,
            longest=settings.session_longest,
        ),
        policy=policy,
        facts=Facts(keys, log, policy.decide, clock, ring.secret("search-index")),
        view=View(keys),
        outlook=Outlook(policy.decide),
        holds=HoldsDesk(keys, log, clock),
        purge=Purge(
            records,
            blobs,
            keys,
            log,
            policy.decide,
            clock=clock,
            brakes=Brakes(),
            certificates=CertificateDesk(signer, installation, settings.keys_horizon),
            steps=steps,
        ),
        issuing=Issuing(
            keys, log, clock, LinkLimits(links.upload_expires_in, links.download_expires_in, links.longest)
        ),
        listing=Listing(keys),
        revoking=Revoking(log, clock),
        redeeming=Redeeming(keys, log, clock, passcodes),
        passcodes=passcodes,
        codes=RecipientCodes(
            keys, log, clock, passcodes, secret=ring.secret("recipient-codes"), letters=ring.secret("letters")
        ),
        sending=sending,
        archiving=Archiving(records, sending),
        recovery=Recovery(records, blobs, log, clock, steps=steps),
        limits=Limits(
            int(settings.max_file_size),
            ticket_max_bytes=settings.ticket_max_bytes,
            organisation_max_bytes=settings.organisation_max_bytes,
        ),
        digesting=blobs,
        steps=steps,
        created=created,
    )


def _folder(path: Path) -> Path:
    try:
        path.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise Misconfigured(f"DATA_DIR: {path}: {os.strerror(error.errno or 0)}", field="DATA_DIR") from error
    return path


def _ring(path: Path, now: datetime, *, created: bool) -> FileKeyRing:
    # Never a new key beside an existing database: what is in it would be lost, and nobody would be told (S-37).
    return FileKeyRing.create(path, now) if created and not path.exists() else FileKeyRing(path)


def upgrade_database(settings: Settings) -> bool:
    """Bring the schema to this release's; whether anything was to be done. Raises Misconfigured."""
    return upgrade(settings.path("database_url", "sqlite", DATABASE))


def is_served(settings: Settings) -> bool:
    """Whether a service serves the site at this moment."""
    try:
        SiteLock(settings.data_dir).release()
    except SiteLocked:
        return True
    return False
