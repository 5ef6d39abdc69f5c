"""All stores on one connection: a unit of work in SQL."""

from __future__ import annotations

from sqlalchemy import Connection

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
from storage.records.sql.access import SqlAccess, SqlNames
from storage.records.sql.answers import SqlAnswers
from storage.records.sql.attachments import SqlAttachments
from storage.records.sql.certificates import SqlCertificates
from storage.records.sql.codes import SqlCodes
from storage.records.sql.connectors import SqlConnectors, SqlHints
from storage.records.sql.disposals import SqlDisposals
from storage.records.sql.grants import SqlGrants
from storage.records.sql.holds import SqlHolds
from storage.records.sql.inventory import SqlInventory
from storage.records.sql.journal import SqlJournal
from storage.records.sql.keys import SqlWrappedKeys
from storage.records.sql.leases import SqlLeases
from storage.records.sql.links import SqlLinks
from storage.records.sql.mail import SqlMailDeliveries
from storage.records.sql.organisations import SqlOrganisations
from storage.records.sql.outbox import SqlOutbox
from storage.records.sql.passcodes import SqlPasscodeFailures
from storage.records.sql.policies import SqlPolicies
from storage.records.sql.quotas import SqlQuotas
from storage.records.sql.receipts import SqlReceipts
from storage.records.sql.recipients import SqlRecipients
from storage.records.sql.restores import SqlRestores
from storage.records.sql.site import SqlSite
from storage.records.sql.source_files import SqlSourceFiles
from storage.records.sql.source_notes import SqlSourceNotes
from storage.records.sql.tables import SqlTables
from storage.records.sql.tickets import SqlTickets
from storage.records.sql.upload_parts import SqlUploadParts
from storage.records.sql.uploads import SqlUploads, SqlUploadsFound


class SqlUnit:
    """``ports.records.Unit`` in the transaction of a connection; made anew for every work (4 µs)."""

    __slots__ = (
        "access",
        "answers",
        "attachments",
        "certificates",
        "codes",
        "connectors",
        "disposals",
        "grants",
        "hints",
        "holds",
        "inventory",
        "journal",
        "keys",
        "leases",
        "links",
        "mail_deliveries",
        "names",
        "organisations",
        "outbox",
        "passcode_failures",
        "policies",
        "quotas",
        "receipts",
        "recipients",
        "restores",
        "site",
        "source_files",
        "source_notes",
        "tables",
        "tickets",
        "upload_parts",
        "uploads",
        "uploads_found",
    )

    def __init__(self, connection: Connection) -> None:
        self.tickets: Tickets = SqlTickets(connection)
        self.organisations: Organisations = SqlOrganisations(connection)
        self.attachments: Attachments = SqlAttachments(connection)
        self.inventory: Inventory = SqlInventory(connection)
        self.quotas: Quotas = SqlQuotas(connection)
        self.disposals: Disposals = SqlDisposals(connection)
        self.holds: Holds = SqlHolds(connection)
        self.certificates: Certificates = SqlCertificates(connection)
        self.policies: Policies = SqlPolicies(connection)
        self.links: Links = SqlLinks(connection)
        self.grants: Grants = SqlGrants(connection)
        self.receipts: Receipts = SqlReceipts(connection)
        self.recipients: Recipients = SqlRecipients(connection)
        self.codes: Codes = SqlCodes(connection)
        self.passcode_failures: PasscodeFailures = SqlPasscodeFailures(connection)
        self.journal: Journal = SqlJournal(connection)
        self.keys: WrappedKeys = SqlWrappedKeys(connection)
        self.access: Access = SqlAccess(connection)
        self.names: Names = SqlNames(connection)
        self.leases: Leases = SqlLeases(connection)
        self.outbox: Outbox = SqlOutbox(connection)
        self.answers: Answers = SqlAnswers(connection)
        self.restores: Restores = SqlRestores(connection)
        self.site: Site = SqlSite(connection)
        self.tables: Tables = SqlTables(connection)
        self.uploads: Uploads = SqlUploads(connection)
        self.uploads_found: UploadsFound = SqlUploadsFound(connection)
        self.upload_parts: UploadParts = SqlUploadParts(connection)
        self.connectors: Connectors = SqlConnectors(connection)
        self.hints: Hints = SqlHints(connection)
        self.source_files: SourceFiles = SqlSourceFiles(connection)
        self.source_notes: SourceNotes = SqlSourceNotes(connection)
        self.mail_deliveries: MailDeliveries = SqlMailDeliveries(connection)
