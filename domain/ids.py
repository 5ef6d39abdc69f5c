"""Names of things as the code passes them about: plain strings, told apart by the type checker."""

from __future__ import annotations

from typing import NewType

OrganisationId = NewType("OrganisationId", str)
TicketId = NewType("TicketId", str)
AttachmentId = NewType("AttachmentId", str)
LinkId = NewType("LinkId", str)
GrantId = NewType("GrantId", str)
ReceiptId = NewType("ReceiptId", str)
HoldId = NewType("HoldId", str)
CertificateId = NewType("CertificateId", str)
PrincipalId = NewType("PrincipalId", str)
BlobId = NewType("BlobId", str)
UploadId = NewType("UploadId", str)
PolicyId = NewType("PolicyId", str)
