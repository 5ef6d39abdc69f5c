"""What the ticket systems say, and what follows for retention."""

from tickets.connectors import FRAME, Connectors, Frame, Made, Maker
from tickets.dates import POLICY, Dates
from tickets.desk import Delivery, Desk, Hint, Hook
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
    "Connectors",
    "Dates",
    "Delivery",
    "Desk",
    "Facts",
    "Frame",
    "Freshness",
    "Hint",
    "Hook",
    "Hooks",
    "Made",
    "Maker",
    "Notes",
    "OrganisationFact",
    "Outcome",
    "Put",
    "PutOrganisation",
    "Reconcile",
    "Round",
    "TicketFact",
    "TicketView",
    "Unsaid",
    "UploadLink",
    "View",
    "Writing",
]
