"""Which engine an address means, and how each is opened: beside ``server.py``, the only one that knows them.

Engines are imported where they are asked for: boto3 alone takes a second, and one machine needs none of the big ones.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol
from urllib.parse import urlsplit, urlunsplit

from crypto import KeyRing, MasterKey, OpenedKeys, Portable
from crypto.key_file import FileKeyRing
from domain.clock import Clock
from domain.errors import Misconfigured, SiteLocked
from keys import RecordsDocuments
from settings import Settings
from storage import BlobStore, Clearing, Digesting, Records, Unit, check_moved
from storage.blobs.file import FileBlobStore
from storage.records.lock import SiteLock
from storage.records.sqlite import DATABASE, SqliteRecords
from storage.records.upgrade import upgrade

KEY_FILE = "bilaga.key"
BLOBS = "blobs"
INSTALLATION = "installation"
"""The mark by which a database knows the keys it belongs to."""


class Store(BlobStore, Digesting, Protocol):
    """What every store we open can do."""


class MovableRing(KeyRing, Portable, Protocol):
    """What every key ring we open can do."""


@dataclass(frozen=True, slots=True)
class Engines:
    """What a site stands on."""

    records: Records
    blobs: Store
    clearing: Clearing | None
    """The same store, where it removes many blobs at once."""
    ring: KeyRing
    shared: bool
    """Whether other nodes may serve the same site at the same time."""
    created: bool
    """Whether this very start made the site."""


def open_engines(
    settings: Settings,
    clock: Clock,
    stack: ExitStack,
    *,
    serving: bool,
    file_store: Callable[..., FileBlobStore] = FileBlobStore,
) -> Engines:
    """The engines the settings name, closed with ``stack``. Raises Misconfigured, SiteLocked, SchemaOld, and what tells
    of an engine that does not answer.
    """
    shared = is_shared(settings)
    folder = settings.data_dir
    if not shared or _in_folder(settings):
        make_folder(folder)
    if serving and not shared:
        stack.enter_context(SiteLock(folder))
    records = _records(settings, clock, stack, serving=serving)
    records.ping()
    check_moved(records, alone=serving and not shared)
    fresh = records.read(lambda unit: unit.site.get(INSTALLATION) is None and unit.journal.size() == 0)
    ring = _ring(settings, lambda: _beside(settings, clock, stack), clock, fresh=fresh)
    created = _claim(records, ring.installation)
    blobs, clearing = _blobs(settings, file_store, serving=serving)
    stack.callback(blobs.close)
    return Engines(records, blobs, clearing, ring, shared, created)


def is_shared(settings: Settings) -> bool:
    """Whether the database takes more nodes than one."""
    return settings.scheme("database_url") != "sqlite"


def make_folder(path: Path) -> None:
    """The data folder, for its owner alone. Raises Misconfigured."""
    try:
        path.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise Misconfigured(f"DATA_DIR: {path}: {os.strerror(error.errno or 0)}", field="DATA_DIR") from error


def _ring(settings: Settings, records: Callable[[], Records], clock: Clock, *, fresh: bool) -> KeyRing:
    """The keys; made where the site is ``fresh``, and never beside a database in use: what is in it would be lost, and
    nobody would be told (S-37)."""
    scheme = settings.scheme("keys_url")
    if scheme == "file":
        path = settings.path("keys_url", KEY_FILE)
        return FileKeyRing.create(path, clock()) if fresh and not path.exists() else FileKeyRing(path)
    from crypto.key_managed import ManagedKeyRing

    master, documents = _master(settings), RecordsDocuments(records())
    if fresh and documents.load() is None:
        return ManagedKeyRing.create(master, documents, clock)
    return ManagedKeyRing(master, documents, clock)


def _master(settings: Settings) -> MasterKey:
    address = settings.address("keys_url") or ""
    match settings.scheme("keys_url"):
        case "aws-kms":
            from crypto.aws_kms import AwsKms

            return AwsKms(address)
        case "openbao":
            from crypto.openbao import Openbao

            token = settings.keys_token
            return Openbao(address, "" if token is None else token.get_secret_value())
        case scheme:
            raise _unknown("KEYS_URL", scheme, "file, aws-kms, openbao")


def open_alone(settings: Settings, clock: Clock, stack: ExitStack) -> Records:
    """The database for a process that works on it while nobody serves it (the move), its lock held where there is one.

    Raises Misconfigured, SiteLocked, SchemaOld.
    """
    if not is_shared(settings):
        make_folder(settings.data_dir)
        stack.enter_context(SiteLock(settings.data_dir))
    records = _records(settings, clock, stack, serving=True)
    records.ping()
    return records


def is_there(settings: Settings) -> bool:
    """Whether there may be a database: opening an embedded one makes it."""
    return is_shared(settings) or settings.path("database_url", DATABASE).exists()


def open_blobs(settings: Settings, stack: ExitStack) -> Store:
    """The store alone."""
    blobs, _ = _blobs(settings, FileBlobStore, serving=True)
    stack.callback(blobs.close)
    return blobs


def find_keys(settings: Settings, records: Records, clock: Clock) -> MovableRing | None:
    """The keys alone; None: there are none yet. Keys that a service wraps rest in ``records``."""
    if settings.scheme("keys_url") == "file":
        path = settings.path("keys_url", KEY_FILE)
        return FileKeyRing(path) if path.exists() else None
    from crypto.key_managed import ManagedKeyRing

    documents = RecordsDocuments(records)
    return None if documents.load() is None else ManagedKeyRing(_master(settings), documents, clock)


def take_over_keys(settings: Settings, records: Records, clock: Clock, keys: OpenedKeys) -> MovableRing:
    """Keys of a site that comes from elsewhere, where there were none or those of the same site."""
    if settings.scheme("keys_url") == "file":
        path = settings.path("keys_url", KEY_FILE)
        make_folder(path.parent)
        FileKeyRing.discard(path)
        return FileKeyRing.create_from(path, keys)
    from crypto.key_managed import ManagedKeyRing

    return ManagedKeyRing.take_over(_master(settings), RecordsDocuments(records), clock, keys)


def place_of(settings: Settings, name: str) -> str:
    """An engine's address without credentials, the same for the same place."""
    scheme = settings.scheme(name)
    if scheme in {"sqlite", "file"}:
        default = {"database_url": DATABASE, "storage_url": BLOBS, "keys_url": KEY_FILE}[name]
        return f"{scheme}:{settings.path(name, default).resolve()}"
    parts = urlsplit(settings.address(name) or "")
    return urlunsplit((scheme, parts.netloc.rpartition("@")[2], parts.path, parts.query, ""))


def upgrade_database(settings: Settings) -> bool:
    """Bring the schema to this release's; whether anything was to be done. Raises Misconfigured."""
    match settings.scheme("database_url"):
        case "sqlite":
            make_folder(settings.data_dir)
            return upgrade(settings.path("database_url", DATABASE))
        case "postgresql" | "postgres":
            from storage.records import postgres

            return postgres.upgrade(settings.address("database_url") or "")
        case scheme:
            raise _unknown("DATABASE_URL", scheme, "sqlite, postgresql")


def is_served(settings: Settings) -> bool:
    """Whether a service serves a site that is not shared at this moment. Of shared ones, leases tell."""
    try:
        SiteLock(settings.data_dir).release()
    except SiteLocked:
        return True
    return False


def _records(
    settings: Settings, clock: Clock, stack: ExitStack, *, serving: bool, connections: int | None = None
) -> Records:
    records: Records
    match settings.scheme("database_url"):
        case "sqlite":
            database = settings.path("database_url", DATABASE)
            if serving or not database.exists():
                upgrade(database)
            records = SqliteRecords(database, clock=clock, checkpoints=serving)
        case "postgresql" | "postgres":
            from storage.records.postgres import PostgresRecords

            url = settings.address("database_url") or ""
            records = PostgresRecords(url, connections=connections or settings.database_connections)
        case scheme:
            raise _unknown("DATABASE_URL", scheme, "sqlite, postgresql")
    stack.callback(records.close)
    return records


def _beside(settings: Settings, clock: Clock, stack: ExitStack) -> Records:
    """The records once more, for the keys' document: a work that needs a key must not wait for its own connection."""
    return _records(settings, clock, stack, serving=False, connections=2)


def _blobs(
    settings: Settings, file_store: Callable[..., FileBlobStore], *, serving: bool
) -> tuple[Store, Clearing | None]:
    match settings.scheme("storage_url"):
        case "file":
            reserve = settings.space_reserve
            place = settings.path("storage_url", BLOBS)
            return file_store(place, reserve=None if reserve is None else int(reserve)), None
        case "s3":
            from storage.blobs.retrying import RetryingBlobStore
            from storage.blobs.s3 import S3BlobStore

            bucket = S3BlobStore(settings.storage_url or "", allowed_regions=settings.allowed_regions)
            if serving:
                bucket.check_start()
            store = RetryingBlobStore(bucket, clearing=bucket)
            return store, store
        case scheme:
            raise _unknown("STORAGE_URL", scheme, "file, s3")


def _in_folder(settings: Settings) -> bool:
    """Whether anything of the site lies in the data folder by default."""
    return settings.storage_url is None or settings.keys_url is None


def _claim(records: Records, installation: str) -> bool:
    """Tie the database to its keys; whether it was nobody's before. Raises Misconfigured where it is another's."""
    if records.read(lambda unit: unit.site.get(INSTALLATION)) == installation:
        return False

    def claim(unit: Unit) -> str | None:
        known = unit.site.get(INSTALLATION)
        if known is None:
            unit.site.put(INSTALLATION, installation)
        return known

    known = records.write(claim)
    if known is not None and known != installation:
        raise Misconfigured("KEYS_URL: these are the keys of another site than the database's", field="KEYS_URL")
    return known is None


def _unknown(name: str, scheme: str, known: str) -> Misconfigured:
    return Misconfigured(f"{name}: {scheme!r} is no engine of ours (known: {known})", field=name)
