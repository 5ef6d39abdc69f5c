"""Transfer: bytes in, bytes out. Engines (``transfer.clamd``) and the sniffer's child are no part of this face."""

from transfer.archive import Archive, Archiving, Member, zipped
from transfer.claim import Claim, Incoming, Limits, Sealed
from transfer.inspect import TypePolicy
from transfer.names import content_disposition, stored_name, unique_names
from transfer.pump import Inlet, Outlet, Pump, Slot, run_in_thread
from transfer.ranges import parse_range, select
from transfer.receive import Received, ReceivedFile, Reception, Touched
from transfer.recovery import Recovery
from transfer.rescan import Rescan
from transfer.resume import Created, Resuming
from transfer.sandbox import Sniffer
from transfer.scanner import BreakingScanner, Scanner
from transfer.scrub import Scrub
from transfer.sealing import Sealing, pieces
from transfer.send import Content, Download, Reading, Sending
from transfer.steps import Steps
from transfer.upload_end import Endings

__all__ = [
    "Archive",
    "Archiving",
    "BreakingScanner",
    "Claim",
    "Content",
    "Created",
    "Download",
    "Endings",
    "Incoming",
    "Inlet",
    "Limits",
    "Member",
    "Outlet",
    "Pump",
    "Reading",
    "Received",
    "ReceivedFile",
    "Reception",
    "Recovery",
    "Rescan",
    "Resuming",
    "Scanner",
    "Scrub",
    "Sealed",
    "Sealing",
    "Sending",
    "Slot",
    "Sniffer",
    "Steps",
    "Touched",
    "TypePolicy",
    "content_disposition",
    "parse_range",
    "pieces",
    "run_in_thread",
    "select",
    "stored_name",
    "unique_names",
    "zipped",
]
