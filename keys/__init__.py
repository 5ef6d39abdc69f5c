"""The data keys of all owners, the rotation of what wraps them, and the leases under which jobs run."""

from keys.alone import Alone
from keys.document import KEY_DOCUMENT, RecordsDocuments
from keys.generations import GenerationView
from keys.lease import Lease, LeaseLost, LeaseTaken
from keys.node import BEAT, Node, living_nodes
from keys.owners import ATTACHMENT, ORGANISATION, TICKET, UPLOAD, Keys
from keys.rewrapping import Rewrapped
from keys.rotation import Rotation, Tick

__all__ = [
    "ATTACHMENT",
    "BEAT",
    "KEY_DOCUMENT",
    "ORGANISATION",
    "TICKET",
    "UPLOAD",
    "Alone",
    "GenerationView",
    "Keys",
    "Lease",
    "LeaseLost",
    "LeaseTaken",
    "Node",
    "RecordsDocuments",
    "Rewrapped",
    "Rotation",
    "Tick",
    "living_nodes",
]
