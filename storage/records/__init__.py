"""Where rows are: ports and row types. Engines are modules of their own, known to ``server.py`` alone."""

from storage.records.database_clock import DatabaseClock
from storage.records.ports.access import Access, Credential, CredentialKind, Principal
from storage.records.ports.attachments import Attachments, Inventory, Quota, Quotas
from storage.records.ports.connectors import (
    ConnectorRow,
    Connectors,
    HintRow,
    Hints,
    NoteRow,
    SourceFiles,
    SourceNotes,
)
from storage.records.ports.disposals import Certificates, Disposals, Holds
from storage.records.ports.jobs import Answer, Answers, Leases, Mail, Outbox, Site
from storage.records.ports.journal import Checkpoint, Journal, JournalEntry, JournalFilter
from storage.records.ports.keys import WrappedKeys, WrappedRow
from storage.records.ports.links import Codes, Grants, Links, PasscodeFailures, Receipts
from storage.records.ports.policies import Policies
from storage.records.ports.recipients import Recipients
from storage.records.ports.records import Records, Unit
from storage.records.ports.restores import Ended, Restores
from storage.records.ports.tables import Row, Table, Tables, Value
from storage.records.ports.tickets import Organisations, TicketFilter, Tickets
from storage.records.ports.uploads import UploadParts, Uploads, UploadsFound

__all__ = [
    "Access",
    "Answer",
    "Answers",
    "Attachments",
    "Certificates",
    "Checkpoint",
    "Codes",
    "ConnectorRow",
    "Connectors",
    "Credential",
    "CredentialKind",
    "DatabaseClock",
    "Disposals",
    "Ended",
    "Grants",
    "HintRow",
    "Hints",
    "Holds",
    "Inventory",
    "Journal",
    "JournalEntry",
    "JournalFilter",
    "Leases",
    "Links",
    "Mail",
    "NoteRow",
    "Organisations",
    "Outbox",
    "PasscodeFailures",
    "Policies",
    "Principal",
    "Quota",
    "Quotas",
    "Receipts",
    "Recipients",
    "Records",
    "Restores",
    "Row",
    "Site",
    "SourceFiles",
    "SourceNotes",
    "Table",
    "Tables",
    "TicketFilter",
    "Tickets",
    "Unit",
    "UploadParts",
    "Uploads",
    "UploadsFound",
    "Value",
    "WrappedKeys",
    "WrappedRow",
]
