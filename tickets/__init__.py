"""What the ticket systems say, and what follows for retention."""

from tickets.checks import check_email, normalise_email
from tickets.connectors import FRAME, Connectors, Frame, Made, Maker
from tickets.csv_import import BadLine, read_organisations, read_tickets
from tickets.dates import POLICY, Dates
from tickets.desk import Delivery, Desk, Hint, Hook, SourceTicket
from tickets.evacuate import Evacuation
from tickets.evacuated import Brought, Errand, EvacuationReport, Kept, Left, Proof, Recorded, Vault
from tickets.facts import Applied, Facts, Outcome, Put, PutOrganisation
from tickets.freshness import Freshness
from tickets.hooks import Hooks
from tickets.notes import Notes, UploadLink, Writing
from tickets.reconcile import Reconcile
from tickets.round import Round
from tickets.said import UNSAID, OrganisationFact, TicketFact, Unsaid
from tickets.view import TicketView, View

__all__ = [
    "FRAME",
    "POLICY",
    "UNSAID",
    "Applied",
    "BadLine",
    "Brought",
    "Connectors",
    "Dates",
    "Delivery",
    "Desk",
    "Errand",
    "Evacuation",
    "EvacuationReport",
    "Facts",
    "Frame",
    "Freshness",
    "Hint",
    "Hook",
    "Hooks",
    "Kept",
    "Left",
    "Made",
    "Maker",
    "Notes",
    "OrganisationFact",
    "Outcome",
    "Proof",
    "Put",
    "PutOrganisation",
    "Reconcile",
    "Recorded",
    "Round",
    "SourceTicket",
    "TicketFact",
    "TicketView",
    "Unsaid",
    "UploadLink",
    "Vault",
    "View",
    "Writing",
    "check_email",
    "normalise_email",
    "read_organisations",
    "read_tickets",
]
