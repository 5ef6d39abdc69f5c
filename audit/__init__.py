"""The audit log: what happened, in a form that nobody can change unseen; and what is signed by its key."""

from audit.certificate import sign_certificate, verify_certificate
from audit.export import verify_export, write_export
from audit.lasting import Lasting
from audit.log import Log
from audit.pages import kept_checkpoints, kept_entries
from audit.second_place import Export, FileExport
from audit.statement import Statement
from audit.tree import consistency_proof, extends, includes, inclusion_proof, leaf_hash
from audit.verify import Report, verify

__all__ = [
    "Export",
    "FileExport",
    "Lasting",
    "Log",
    "Report",
    "Statement",
    "consistency_proof",
    "extends",
    "includes",
    "inclusion_proof",
    "kept_checkpoints",
    "kept_entries",
    "leaf_hash",
    "sign_certificate",
    "verify",
    "verify_certificate",
    "verify_export",
    "write_export",
]
