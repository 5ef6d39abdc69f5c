"""The beginning of an upload that may come in pieces: its claim, its row, and the receipt of its sitting."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from crypto import TokenPurpose, is_token, new_id, new_token, token_digest
from domain.actor import EVERYTHING
from domain.attachment import AttachmentState
from domain.clock import Clock
from domain.errors import BadInput, NotAllowed, TooLarge, TooMany
from domain.ids import ReceiptId, UploadId
from domain.link import Link, Receipt
from domain.upload import KEPT_FOR, Checksum, Upload, UploadKind, UploadState
from keys import UPLOAD, Keys
from storage import Unit
from transfer.claim import Claim, Incoming, Limits
from transfer.receive import Reception
from transfer.room import end_receiving

MOST_OPEN = 200
"""Uploads of one link that are under way at once (S-49)."""
PARTIAL_NAME = "part"


@dataclass(frozen=True, slots=True)
class Created:
    """A new upload. ``token`` is in its address, and shown this once; ``receipt_token`` too, where this upload began a
    receipt (else the one that was handed in holds it)."""

    upload: Upload
    token: str
    receipt_token: str | None


@dataclass(frozen=True, slots=True)
class _Wanted:
    """What is asked for. ``parts``: the partial uploads that it takes."""

    kind: UploadKind
    length: int | None
    metadata: str | None = None
    repr_digest: Checksum | None = None
    receipt: str | None = None
    parts: tuple[Upload, ...] = ()


class Beginning:
    """Begins uploads. Safe to use from any thread."""

    def __init__(self, keys: Keys, clock: Clock, *, reception: Reception, limits: Limits) -> None:
        self._keys = keys
        self._clock = clock
        self._reception = reception
        self._limits = limits

    def create(
        self,
        incoming: Incoming,
        name: str | bytes,
        *,
        length: int | None,
        kind: UploadKind,
        metadata: str | None,
        repr_digest: Checksum | None,
        receipt: str | None,
    ) -> Created:
        """As ``Resuming.create``."""
        if kind is UploadKind.PARTIAL:
            name, receipt = PARTIAL_NAME, None
        return self._begin(incoming, name, _Wanted(kind, length, metadata, repr_digest, receipt))

    def concatenate(
        self,
        incoming: Incoming,
        name: str | bytes,
        parts: Sequence[Upload],
        *,
        metadata: str | None,
        repr_digest: Checksum | None,
        receipt: str | None,
    ) -> Created:
        """As ``Resuming.concatenate``."""
        if not parts:
            raise BadInput("A concatenation names its parts.", field="Upload-Concat")
        for part in parts:
            _check_part(part)
        length = sum(part.offset for part in parts)
        if length > self._limits.max_file_size:
            raise TooLarge(max_size=self._limits.max_file_size)
        wanted = _Wanted(UploadKind.FINAL, length, metadata, repr_digest, receipt, tuple(parts))
        return self._begin(incoming, name, wanted)

    def _begin(self, incoming: Incoming, name: str | bytes, wanted: _Wanted) -> Created:
        if incoming.link is None:
            raise NotAllowed("Uploads in pieces come by an upload link.")
        keeping = _Keeping(self._keys, self._clock, incoming, incoming.link, wanted)
        self._reception.claim(incoming, name, wanted.length, to=keeping)
        return keeping.created()


class _Keeping:
    """Keeps one claim as an upload (``transfer.receive.Keeping``)."""

    def __init__(self, keys: Keys, clock: Clock, incoming: Incoming, link: Link, wanted: _Wanted) -> None:
        self._keys = keys
        self._now = clock()
        self._incoming = incoming
        self._link = link
        self._wanted = wanted
        self._token = new_token(TokenPurpose.FILE)
        self._receipt_token: str | None = None
        self._upload: Upload | None = None
        self.typed = wanted.kind is not UploadKind.PARTIAL

    def before(self, unit: Unit) -> ReceiptId | None:
        if unit.uploads_found.count_open(self._link.id) >= MOST_OPEN:
            raise TooMany("Too many uploads of this link are under way.", max_files=MOST_OPEN)
        for part in {part.id: part for part in self._wanted.parts}.values():
            _give_claim_back(unit, part)
        return None if self._wanted.kind is UploadKind.PARTIAL else self._receipt(unit)

    def take(self, unit: Unit, claim: Claim) -> None:
        wanted, metadata, expected = self._wanted, self._wanted.metadata, self._wanted.repr_digest
        joined = bool(wanted.parts)
        upload = Upload(
            id=UploadId(new_id()),
            attachment_id=claim.attachment_id,
            ticket_id=self._incoming.ticket_id,
            link_id=self._link.id,
            receipt_id=claim.receipt_id,
            kind=wanted.kind,
            state=UploadState.RECEIVED if joined else UploadState.OPEN,
            length=wanted.length,
            offset=(wanted.length or 0) if joined else 0,
            metadata_sealed=None if metadata is None else claim.key.seal_text(metadata, "metadata", claim.context),
            repr_algorithm=None if expected is None else expected.algorithm,
            repr_digest=None if expected is None else expected.digest,
            created_at=self._now,
            expires_at=self._now + KEPT_FOR,
        )
        unit.uploads.add(upload, token_digest(self._token))
        if joined:
            _join(unit, upload, wanted.parts)
        else:
            self._keys.new(unit, upload.id, UPLOAD)
        self._upload = upload

    def created(self) -> Created:
        """What was made."""
        if self._upload is None:
            raise AssertionError("a claim without an upload")
        return Created(self._upload, self._token, self._receipt_token)

    def _receipt(self, unit: Unit) -> ReceiptId:
        if self._wanted.receipt is not None:
            return _known_receipt(unit, self._wanted.receipt, self._link)
        self._receipt_token = new_token(TokenPurpose.RECEIPT)
        receipt = Receipt(ReceiptId(new_id()), self._incoming.ticket_id, self._link.id, self._now)
        unit.receipts.add(receipt, token_digest(self._receipt_token))
        return receipt.id


def _known_receipt(unit: Unit, token: str, link: Link) -> ReceiptId:
    found = unit.receipts.by_digest(token_digest(token)) if is_token(TokenPurpose.RECEIPT, token) else None
    if found is None or found.link_id != link.id:
        raise BadInput("This receipt is not of this link.", field="receipt")
    return found.id


def _check_part(part: Upload) -> None:
    if part.kind is not UploadKind.PARTIAL:
        raise BadInput("Only partial uploads can be joined.", field="Upload-Concat")
    if part.state is not UploadState.COMPLETE:
        raise BadInput("A part is not complete, or was joined already.", field="Upload-Concat")


def _give_claim_back(unit: Unit, part: Upload) -> None:
    """The part's room is the whole's from now on."""
    fresh = unit.uploads.get(part.id)
    if fresh is None:
        raise BadInput("A part is not there any more.", field="Upload-Concat")
    _check_part(fresh)
    row = unit.attachments.get(part.attachment_id, EVERYTHING)
    if row is None or row.state is not AttachmentState.RECEIVING:
        raise BadInput("A part was ended.", field="Upload-Concat")
    end_receiving(unit, row)
    unit.uploads.save(replace(fresh, state=UploadState.JOINED, metadata_sealed=None))


def _join(unit: Unit, whole: Upload, parts: Sequence[Upload]) -> None:
    """The parts' blobs and keys are the whole's from now on."""
    number, start = 0, 0
    for part in parts:
        for piece in unit.upload_parts.of(part.id):
            unit.upload_parts.add(replace(piece, upload_id=whole.id, number=number, start=start))
            number, start = number + 1, start + piece.size
    for part in parts:
        unit.upload_parts.delete(part.id)
        if not unit.upload_parts.owns(part.id):  # it is empty
            unit.keys.destroy(part.id)
