"""The audit log: what happened, in a form that nobody can change unseen."""

from audit.log import Export, Log, Statement, kept_checkpoints, kept_entries
from audit.tree import consistency_proof, extends, includes, inclusion_proof, leaf_hash

__all__ = [
    "Export",
    "Log",
    "Statement",
    "consistency_proof",
    "extends",
    "includes",
    "inclusion_proof",
    "kept_checkpoints",
    "kept_entries",
    "leaf_hash",
]
