"""When attachments end, and proof that they did."""

from retention.brakes import Brakes
from retention.certificates import OVERWRITTEN, CertificateDesk, find_certificate
from retention.claim import Reason
from retention.due import Outlook, Why
from retention.holds import HoldsDesk, Placed
from retention.period import Period
from retention.purge import Purge
from retention.report import Failed, Purged, PurgeReport
from retention.restoration import Restoration, Restored
from retention.rules import CUSTOMER, OTHER, AfterClosed, AfterContract, AfterLastActivity, Policy, Rule
from retention.run import FAR_PACE, PACE, Pace

__all__ = [
    "CUSTOMER",
    "FAR_PACE",
    "OTHER",
    "OVERWRITTEN",
    "PACE",
    "AfterClosed",
    "AfterContract",
    "AfterLastActivity",
    "Brakes",
    "CertificateDesk",
    "Failed",
    "HoldsDesk",
    "Outlook",
    "Pace",
    "Period",
    "Placed",
    "Policy",
    "Purge",
    "PurgeReport",
    "Purged",
    "Reason",
    "Restoration",
    "Restored",
    "Rule",
    "Why",
    "find_certificate",
]
