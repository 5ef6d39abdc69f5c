"""The data keys of all owners, the rotation of what wraps them, and the leases under which jobs run."""

from keys.generations import GenerationView
from keys.lease import Lease, LeaseLost, LeaseTaken
from keys.owners import ATTACHMENT, ORGANISATION, TICKET, Keys
from keys.rewrapping import Rewrapped
from keys.rotation import Rotation, Tick

__all__ = [
    "ATTACHMENT",
    "ORGANISATION",
    "TICKET",
    "GenerationView",
    "Keys",
    "Lease",
    "LeaseLost",
    "LeaseTaken",
    "Rewrapped",
    "Rotation",
    "Tick",
]
