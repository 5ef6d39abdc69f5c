"""When attachments end, and proof that they did."""

from retention.brakes import Brakes
from retention.certificates import OVERWRITTEN, CertificateDesk, find_certificate
from retention.change import Change, Nearer
from retention.claim import Reason
from retention.due import Outlook, Why
from retention.holds import HoldsDesk, Placed
from retention.period import Period
from retention.policies import Policies
from retention.policy import Policy
from retention.purge import Purge
from retention.report import Failed, Purged, PurgeReport
from retention.restoration import Restoration, Restored
from retention.rules import CUSTOMER, OTHER, Ground, Rule
from retention.run import FAR_PACE, PACE, Pace
from retention.spans import AfterClosed, AfterContract, AfterLastActivity, AfterOpened

__all__ = [
    "CUSTOMER",
    "FAR_PACE",
    "OTHER",
    "OVERWRITTEN",
    "PACE",
    "AfterClosed",
    "AfterContract",
    "AfterLastActivity",
    "AfterOpened",
    "Brakes",
    "CertificateDesk",
    "Change",
    "Failed",
    "Ground",
    "HoldsDesk",
    "Nearer",
    "Outlook",
    "Pace",
    "Period",
    "Placed",
    "Policies",
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
