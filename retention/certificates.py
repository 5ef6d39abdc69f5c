"""What a certificate of a purge says, and finding one."""

from __future__ import annotations

from datetime import datetime, timedelta

from audit import sign_certificate
from crypto import Signer, new_id
from domain.actor import Action, Actor
from domain.clock import rfc3339
from domain.disposal import Certificate
from domain.errors import NotAllowed, NotFound
from domain.event import EventKind
from domain.ids import CertificateId
from retention.claim import Claim
from storage.records import JournalFilter, Unit

TYPE = "bilaga.purge-certificate"
VERSION = 1
OVERWRITTEN = timedelta(hours=24)
"""When SQLite's files hold nothing of it any more: deleted pages are overwritten, the WAL is cut (S-39)."""


class CertificateDesk:
    """Signs certificates with the audit log's key. ``horizon``: how long a backup can open what was purged since.

    ``overwritten``: how long the database's own files hold wrapped keys that were deleted; None where nothing
    overwrites them (PostgreSQL): then it is the horizon too.
    """

    def __init__(
        self, signer: Signer, installation: str, horizon: timedelta, overwritten: timedelta | None = OVERWRITTEN
    ) -> None:
        self._signer = signer
        self._installation = installation
        self._horizon = f"P{horizon.days}D"
        self._files = self._horizon if overwritten is None else f"PT{int(overwritten / timedelta(hours=1))}H"

    def sign(self, claim: Claim, purged_at: datetime) -> Certificate:
        """The certificate of a purge whose key and blob are gone. Says nothing of persons or content."""
        attachment = claim.attachment
        certificate_id = CertificateId(new_id())
        facts = {
            "type": TYPE,
            "version": VERSION,
            "certificate_id": certificate_id,
            "installation": self._installation,
            "attachment_id": attachment.id,
            "ticket_id": attachment.ticket_id,
            "reason": claim.reason.value,
            "retention_class": claim.retention_class,
            "rule": claim.rule,
            "facts": dict(claim.facts),
            "due_at": claim.due_at,
            "purged_at": rfc3339(purged_at),
            "sealed_size": attachment.sealed_size,
            "sealed_sha256": attachment.sealed_sha256.hex() if attachment.sealed_sha256 else None,
            "key_generation": claim.generation,
            "journal_index": claim.index,
            "unreadable": {
                "here": "at once: the only data key was destroyed, then the sealed bytes were removed",
                "database_files": f"within {self._files}",
                "all_copies": (
                    f"within {self._horizon}: backups hold the data key wrapped under a key that is destroyed by then"
                ),
            },
        }
        return sign_certificate(self._signer, certificate_id, attachment.id, facts, purged_at)


def find_certificate(unit: Unit, actor: Actor, certificate_id: CertificateId) -> Certificate:
    """A certificate: of any purge for whoever may read them, of an erasure of one's own for whoever reads their own
    acts. Raises NotAllowed, NotFound."""
    if not actor.may(Action.READ_CERTIFICATE):
        actor.scope(Action.READ_OWN_AUDIT)
    certificate = unit.certificates.get(certificate_id)
    if not actor.may(Action.READ_CERTIFICATE):
        own = certificate is not None and _began(unit, actor, certificate)
        if not own:
            raise NotAllowed(action=Action.READ_CERTIFICATE.value)
    if certificate is None:
        raise NotFound
    return certificate


def _began(unit: Unit, actor: Actor, certificate: Certificate) -> bool:
    """Whether that erasure was the actor's own act."""
    what = JournalFilter(EventKind.PURGE_STARTED.value, certificate.attachment_id, actor.principal_id)
    return actor.principal_id is not None and bool(unit.journal.find(what, before=None, limit=1))
