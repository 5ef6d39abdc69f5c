"""Certificates: canonical JSON (RFC 8785) signed with Ed25519 by the audit log's key; they verify offline (S-39)."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from audit.entry import canonical, parse_canonical
from crypto import Signer, verify_signature
from domain.disposal import Certificate
from domain.errors import ChainBroken
from domain.ids import AttachmentId, CertificateId


def sign_certificate(
    signer: Signer, id: CertificateId, attachment_id: AttachmentId, facts: Mapping[str, Any], issued_at: datetime
) -> Certificate:
    """The certificate over these facts. A document begins with ``{`` and a checkpoint with the log's origin, so neither
    signature is ever good for the other. Raises ValueError for what canonical JSON cannot carry.
    """
    document = canonical({**facts, "public_key": signer.public_key_text})
    return Certificate(id, attachment_id, document, signer.sign(document), issued_at)


def verify_certificate(document: bytes, signature: bytes, public_key: str) -> dict[str, Any]:
    """What a certificate says, if the owner of ``public_key`` (a verifier key you trust) signed it.

    Raises ChainBroken where it was changed or signed by another, BadInput where the key is none.
    """
    if not verify_signature(public_key, document, signature):
        raise ChainBroken("the certificate's signature is not of that key")
    try:
        return parse_canonical(document)
    except ValueError as error:
        raise ChainBroken("the certificate is not canonical JSON") from error
