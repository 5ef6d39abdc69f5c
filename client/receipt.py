"""What the receipts say in the end: each file's id and state, and whether its SHA-256 is the one that was read here."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from client.link import UploadLink
from client.outcome import Sent
from client.patience import Again, Patience
from client.tus import Tus
from client.wire import Wire
from domain.errors import BilagaError, Damaged, Gone, NotFound, Refused

BEING_MADE = frozenset({"receiving"})
"""The state of a file that the service has in parts: its digest is not known yet."""


@dataclass(frozen=True, slots=True)
class Waiting:
    """A file that was sent, and its upload."""

    sent: Sent
    upload: str


class Receipts:
    """Asks the receipts until they tell of every file, or patience ends: then what is known is told."""

    def __init__(self, wire: Wire, tus: Tus, link: UploadLink, patience: Patience) -> None:
        self._wire = wire
        self._tus = tus
        self._link = link
        self._patience = patience

    def settle(self, files: Mapping[int, Waiting]) -> dict[int, Sent]:
        """The files with what their receipts say of them. Raises Stopped."""
        settled = {index: one.sent for index, one in files.items()}
        for url in dict.fromkeys(one.sent.receipt_url for one in files.values()):
            if url:
                settled |= self._of(url, {index: one for index, one in files.items() if one.sent.receipt_url == url})
        return settled

    def _of(self, url: str, files: dict[int, Waiting]) -> dict[int, Sent]:
        while True:
            try:
                rows = self._rows(url)
            except Again as again:
                trouble = again
            except BilagaError:
                return {}  # the receipt is out of reach from here; the files are where they should be
            else:
                settled, open_ones = self._matched(rows, files)
                if not open_ones:
                    return settled
                trouble = Again(Damaged("The service did not tell of the file."))
            try:
                self._patience.wait(trouble, lambda _: None)
            except BilagaError:
                return self._matched(rows, files)[0] if isinstance(trouble.error, Damaged) else {}

    def _rows(self, url: str) -> list[dict[str, Any]]:
        reply = self._wire.ask("GET", self._link.receipt_url(url))
        if not reply.good:
            raise Again(reply.error, reply.retry_after) if reply.status in {408, 429, 503} else reply.error
        return list(reply.json()["attachments"])

    def _matched(self, rows: list[dict[str, Any]], files: dict[int, Waiting]) -> tuple[dict[int, Sent], bool]:
        """The files as the rows tell of them, and whether some are still to be told of."""
        left, found, open_ones = list(rows), {}, False
        for index, one in files.items():
            row = next((row for row in left if row["sha256"] == one.sent.sha256), None)
            if row is not None:
                left.remove(row)
                found[index] = replace(one.sent, id=row["id"], state=row["state"], verified=True)
        for index in files.keys() - found.keys():
            found[index], known = self._unlike(left, files[index])
            open_ones |= not known
        return found, open_ones

    def _unlike(self, left: list[dict[str, Any]], one: Waiting) -> tuple[Sent, bool]:
        """A file whose digest stands nowhere: not there yet, refused since, or, what must not be, another one."""
        if any(row["state"] in BEING_MADE for row in left):
            return replace(one.sent, state="receiving"), False
        try:
            self._tus.position(one.upload)
        except Again:
            return one.sent, False
        except BilagaError as error:
            other = next((row for row in left if row["size"] == one.sent.size), None)
            if other is None:
                # One that was sent whole ends thus when it is found to be malware, or not what its name says.
                gone = isinstance(error, Gone | NotFound)
                refused = Refused("The service looked into this file and did not take it.") if gone else error
                return replace(one.sent, error=refused), True
        else:
            other = next((row for row in left if row["size"] == one.sent.size and row["sha256"]), None)
            if other is None:
                return one.sent, False
        wrong = Damaged("The receipt has another SHA-256 than the file that was read.")
        return replace(one.sent, id=other["id"], state=other["state"], error=wrong), True
