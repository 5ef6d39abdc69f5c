"""Data subjects: all that is held of one person, found, handed out, and erased (GDPR, articles 15 and 17)."""

from subjects.dossier import Dossier, HeldFile, HeldLink, HeldTicket, Place, plain
from subjects.erase import Erasing
from subjects.export import Compose, Export, Exporting
from subjects.gathering import Gathering
from subjects.keeping import Kept
from subjects.report import ErasureReport
from subjects.search import Person, Search

__all__ = [
    "Compose",
    "Dossier",
    "Erasing",
    "ErasureReport",
    "Export",
    "Exporting",
    "Gathering",
    "HeldFile",
    "HeldLink",
    "HeldTicket",
    "Kept",
    "Person",
    "Place",
    "Search",
    "plain",
]
