"""Uploads that survive anything: begun, appended to, found again, joined, ended; whatever protocol asks (S-18, S-42).

An append seals what came into a blob of its own, makes that durable, and only then moves the offset, in a transaction
that looks whether it is still the one writer. The offset that anybody is told is the committed row's. See
docs/resumable.md.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from domain.upload import Checksum, Upload, UploadKind
from transfer.claim import Incoming

ALGORITHMS = ("sha1", "sha256", "sha512", "crc32")
"""Checksums that can be announced."""


@dataclass(frozen=True, slots=True)
class Created:
    """A new upload. ``token`` is in its address, and shown this once; ``receipt_token`` too, where this upload began a
    receipt (else the one that was handed in holds it)."""

    upload: Upload
    token: str
    receipt_token: str | None


def nobody() -> None:
    """Nobody wants to know."""


class Resuming:
    """Uploads in pieces. Safe to use from any thread; every call blocks, so it belongs into a worker's thread.

    All calls with a token raise NotFound for one that is unknown or another link's, and Gone (also as LinkExpired,
    LinkRevoked) where link, ticket or upload ended: then nothing of it is kept. One that was refused in the end
    (malware, its type, …) is Gone too, with ``reason``: that error's code.
    """

    def create(
        self,
        incoming: Incoming,
        name: str | bytes,
        *,
        length: int | None,
        kind: UploadKind = UploadKind.WHOLE,
        metadata: str | None = None,
        repr_digest: Checksum | None = None,
        receipt: str | None = None,
    ) -> Created:
        """Begin one: link, names, types, sizes and quota are looked at, and slot and room taken, as by
        ``Reception.claim``, whose errors this raises. ``incoming.link`` is needed.

        ``length`` None: deferred. 0: it is complete at once. ``kind``: whole or partial; a partial one's name is not
        looked at. ``receipt``: the token of the sitting's receipt, got from its first ``create``; one that is not this
        link's raises BadInput (field ``receipt``).
        """
        raise AssertionError

    def find(self, token: str, incoming: Incoming) -> Upload:
        """The upload as it stands, once nobody writes to it: whoever does is told to stop, keeps what came, and is
        waited for a few seconds. Raises UploadLocked where that was not enough."""
        raise AssertionError

    def look(self, token: str, incoming: Incoming) -> Upload:
        """The upload as its row says, without stopping who writes to it."""
        raise AssertionError

    def metadata(self, upload: Upload) -> str | None:
        """What ``create`` was given as ``metadata``."""
        raise AssertionError

    def append(
        self,
        token: str,
        incoming: Incoming,
        chunks: Iterable[bytes | memoryview],
        *,
        offset: int,
        size: int | None = None,
        length: int | None = None,
        complete: bool = False,
        checksum: Checksum | None = None,
        on_taken: Callable[[], None] = nobody,
    ) -> Upload:
        """Take more bytes in: the upload as it stands after it. In the thread that may wait for ``chunks``.

        ``size``: how many are announced. ``length``: the whole's, where it was deferred and is known now.
        ``complete``: with these the upload ends (IETF). ``checksum``: of these bytes. ``on_taken`` is called, from
        another thread, when a newer request wants the upload: make ``chunks`` end or raise soon.

        Whatever ``chunks`` raises is raised again after what came before is kept; with a ``checksum`` it is not.
        With the last byte the upload becomes an attachment: in this call where that takes at most some seconds, else
        behind it (``state`` is ``received`` meanwhile). What is found wrong with the file within this call is raised.

        Raises OffsetConflict, UploadLocked, UploadTakenOver, BadInput (a length that was set before, below the offset),
        TooLarge (more than the length, or than allowed: nothing of these bytes is kept), ChecksumMismatch (as well),
        NotAllowed (a concatenation takes no bytes), QuotaExceeded, StorageFull, BlobsUnavailable; of the file:
        TypeNotAllowed, ContentMismatch, Infected, ChecksumMismatch (of the whole).
        """
        raise AssertionError

    def concatenate(
        self,
        incoming: Incoming,
        name: str | bytes,
        tokens: Sequence[str],
        *,
        metadata: str | None = None,
        repr_digest: Checksum | None = None,
        receipt: str | None = None,
    ) -> Created:
        """Make one file of partial uploads of this link, in that order; one may be named twice. They are taken: a
        second concatenation of them is refused. Raises as ``create``; BadInput for one that is not partial or not
        complete, NotFound."""
        raise AssertionError

    def cancel(self, token: str, incoming: Incoming) -> None:
        """End it: nothing of it is kept. Of a complete one only the upload is forgotten: the attachment stays.
        Raises UploadLocked."""
        raise AssertionError

    def sweep(self) -> int:
        """The job: end uploads whose time is up, or whose link or ticket has ended; how many."""
        raise AssertionError

    def assemble_due(self) -> int:
        """The job: make attachments of uploads that are all there and that nobody works on; how many."""
        raise AssertionError

    def heed(self) -> None:
        """The job, where several nodes serve: stop what somebody on another node wants."""
        raise AssertionError

    def close(self) -> None:
        """Stop what goes on behind the requests; it goes on at the next start."""
        raise AssertionError
