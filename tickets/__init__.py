"""What the ticket systems say, and what follows for retention."""

from tickets.connectors import FRAME, Made, Maker
from tickets.dates import POLICY, Dates
from tickets.facts import Facts, Put, PutOrganisation
from tickets.said import UNSAID, OrganisationFact, TicketFact, Unsaid
from tickets.view import TicketView, View

__all__ = [
    "FRAME",
    "POLICY",
    "UNSAID",
    "Dates",
    "Facts",
    "Made",
    "Maker",
    "OrganisationFact",
    "Put",
    "PutOrganisation",
    "TicketFact",
    "TicketView",
    "Unsaid",
    "View",
]
