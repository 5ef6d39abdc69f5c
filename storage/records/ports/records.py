"""The port of the database: units of work, committed whole or not at all.

An engine (SQLite, PostgreSQL) implements ``Records``; all above speaks to the stores a ``Unit`` carries. Errors of
the driver become ``RecordsUnavailable`` (or ``StorageFull``) at the engine's border.
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future
from datetime import datetime
from typing import Protocol, TypeVar

from storage.records.ports.access import Access, Names
from storage.records.ports.attachments import Attachments, Inventory, Quotas
from storage.records.ports.connectors import Connectors, Hints, SourceFiles, SourceNotes
from storage.records.ports.disposals import Certificates, Disposals, Holds
from storage.records.ports.jobs import Answers, Leases, Outbox, Site
from storage.records.ports.journal import Journal
from storage.records.ports.keys import WrappedKeys
from storage.records.ports.links import Codes, Grants, Links, PasscodeFailures, Receipts
from storage.records.ports.mail import MailDeliveries
from storage.records.ports.policies import Policies
from storage.records.ports.recipients import Recipients
from storage.records.ports.restores import Restores
from storage.records.ports.tables import Tables
from storage.records.ports.tickets import Organisations, Tickets
from storage.records.ports.uploads import UploadParts, Uploads, UploadsFound

T = TypeVar("T")


class Unit(Protocol):
    """One transaction's stores. Valid only inside the call it was given to; never kept, never passed to a thread."""

    tickets: Tickets
    organisations: Organisations
    attachments: Attachments
    inventory: Inventory
    quotas: Quotas
    disposals: Disposals
    holds: Holds
    certificates: Certificates
    policies: Policies
    links: Links
    grants: Grants
    receipts: Receipts
    recipients: Recipients
    codes: Codes
    passcode_failures: PasscodeFailures
    journal: Journal
    keys: WrappedKeys
    access: Access
    names: Names
    leases: Leases
    outbox: Outbox
    answers: Answers
    restores: Restores
    site: Site
    tables: Tables
    uploads: Uploads
    uploads_found: UploadsFound
    upload_parts: UploadParts
    connectors: Connectors
    hints: Hints
    source_files: SourceFiles
    source_notes: SourceNotes
    mail_deliveries: MailDeliveries


class Records(Protocol):
    """A database. Safe to call from any thread.

    Writes are serial, over all threads and processes: what a work reads, nobody changes before its commit.

    ``work`` gets a Unit and nothing else of the outside: it may be run again after a conflict or a lost connection, and
    everybody's writes wait for it, so it must not send, sleep or touch a store. Whatever it raises rolls its own work
    back, and only its own.
    """

    def read(self, work: Callable[[Unit], T]) -> T:
        """Run ``work`` on one consistent snapshot. Writing in it is a bug and fails."""
        ...

    def write(self, work: Callable[[Unit], T]) -> T:
        """Run ``work`` and return its result once the commit that holds it is durable (S-5, S-14).

        Raises RecordsUnavailable where it was not committed, OutcomeUnknown where nobody can tell (S-16).
        """
        ...

    def submit(self, work: Callable[[Unit], T]) -> Future[T]:
        """As ``write``, without waiting: the future is done once the commit that holds the work is durable."""
        ...

    def now(self) -> datetime:
        """The database's clock (S-76)."""
        ...

    def ping(self) -> None:
        """Raises RecordsUnavailable where the database does not answer, SchemaOld where its schema is not ours."""
        ...

    def tidy(self) -> None:
        """Make what was erased leave the database's files, as far as the database can (S-39): SQLite cuts its WAL,
        PostgreSQL vacuums. Cheap where there is nothing."""
        ...

    def close(self) -> None:
        """Finish what was submitted, then let go of the database."""
        ...
