"""Verifying a log with nothing but its entries, its checkpoints and a public key: no database, no secret (S-90)."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from audit.entry import read_entry
from audit.epoch import epoch_of
from audit.lasting import Lasting, lasting_of
from audit.pages import in_order
from audit.statement import Statement
from audit.tree import Frontier
from crypto import open_note
from domain.errors import BadInput, ChainBroken
from domain.event import EventKind
from storage.records import Checkpoint, JournalEntry


@dataclass(frozen=True, slots=True)
class Report:
    """What verifying found. ``signed`` of ``entries`` entries are covered by the newest checkpoint.

    Where broken, ``first_bad`` is the index of the first entry that is changed, missing, inserted or out of order. An
    administrator who changes an entry and everything beside it that can be changed leaves only the signed root to
    differ: then the first bad entry is one of ``first_bad`` … ``last_bad``, narrowed by the checkpoints around it.
    """

    intact: bool
    entries: int
    signed: int
    checkpoints: int
    root: bytes
    first_bad: int | None = None
    last_bad: int | None = None
    reason: str | None = None
    restored: tuple[int, ...] = ()
    """Where the log was put back from a backup and went on: the indexes of the entries ``site.restored``."""


class Verification:
    """Takes a log piece by piece, each checkpoint after the entries it covers. Stops at the first fault."""

    def __init__(self, public_key: str, origin: str | None = None) -> None:
        """``public_key`` is a verifier key, whose name is the log's origin unless one is given."""
        self._public_key = public_key
        self._base = self._origin = origin or public_key.split("+", 1)[0]
        self._frontier = Frontier()
        self._signed = 0
        self._checkpoints = 0
        self._lasting: list[Lasting] = []
        self._restored: list[int] = []
        self._bad: tuple[int, int, str] | None = None

    def entry(self, entry: JournalEntry) -> None:
        """The next entry as the records keep it: its index and its other columns are compared with its body."""
        if self._bad is None and entry.index != self._frontier.size:
            self._fault("an entry is missing, repeated or out of order")
        at = self._frontier.size
        read = self.body(entry.body, entry.leaf)
        if read is not None and read != entry:
            self._bad = (at, at, "an entry's columns are not those of its body")

    def body(self, body: bytes, leaf: bytes) -> JournalEntry | None:
        """The next entry as an export carries it, and what it reads as; None where it, or one before it, is bad."""
        if self._bad is not None:
            return None
        try:
            read = read_entry(self._frontier.size, body)
            if read.kind == EventKind.SITE_RESTORED:
                self._origin = epoch_of(read, self._base).origin
                self._restored.append(read.index)
        except ChainBroken as error:
            self._fault(error.detail)
            return None
        if read.leaf != leaf:
            self._fault("an entry is not the one its hash was made of")
            return None
        self._frontier.append(leaf)
        lasting = lasting_of(read)
        if lasting is not None:
            self._lasting.append(lasting)
        return read

    def _fault(self, reason: str) -> None:
        self._bad = (self._frontier.size, self._frontier.size, reason)

    def checkpoint(self, size: int, note: str, frontier: bytes = b"") -> None:
        """A checkpoint that covers ``size`` entries; ``frontier``, where known, narrows down where a fault lies."""
        if self._bad is not None:
            return
        try:
            statement = Statement.parse(open_note(note, self._public_key))
            if statement.origin != self._origin or statement.size != size:
                raise ChainBroken("a checkpoint speaks of another log or another size")
        except ChainBroken as error:
            self._bad = (self._signed, max(self._signed, size - 1), error.detail)
            return
        if size > self._frontier.size:
            self._bad = (self._frontier.size, size - 1, "entries that were signed are missing")
        elif size < self._frontier.size:
            raise BadInput("A checkpoint does not come right after the entries it covers.")
        elif self._frontier.root() != statement.root:
            first, last = self._narrowed(size, frontier, statement.root)
            self._bad = (first, last, "the entries are not those that were signed")
        elif statement.lasting != tuple(self._lasting):
            self._bad = (self._signed, size - 1, "a checkpoint does not name what the entries say")
        else:
            self._lasting.clear()
            self._signed = size
            self._checkpoints += 1

    def finish(self) -> Report:
        """What was found."""
        first, last, reason = self._bad or (None, None, None)
        return Report(
            intact=self._bad is None,
            entries=self._frontier.size,
            signed=self._signed,
            checkpoints=self._checkpoints,
            root=self._frontier.root(),
            first_bad=first,
            last_bad=last,
            reason=reason,
            restored=tuple(self._restored),
        )

    def _narrowed(self, size: int, packed: bytes, root: bytes) -> tuple[int, int]:
        """Where the first difference lies: past the last good checkpoint, in the first subtree that differs."""
        first, last = self._signed, size - 1
        try:
            kept = Frontier.from_bytes(size, packed)
        except ValueError:
            return first, last
        if kept.root() != root:  # the frontier is not what was signed, so it tells nothing
            return first, last
        begin = 0
        for length, ours, theirs in zip(_lengths(size), self._frontier.hashes, kept.hashes, strict=True):
            if ours != theirs:
                return max(first, begin), min(last, begin + length - 1)
            begin += length
        return first, last


def verify(entries: Iterable[JournalEntry], checkpoints: Iterable[Checkpoint], public_key: str) -> Report:
    """Verify entries in order against checkpoints in order. Raises BadInput where the public key is none."""
    verification = Verification(public_key)
    for one in in_order(entries, checkpoints):
        if isinstance(one, Checkpoint):
            verification.checkpoint(one.size, one.note, one.frontier)
        else:
            verification.entry(one)
    return verification.finish()


def _lengths(size: int) -> list[int]:
    """How many leaves each subtree of a frontier covers, largest first."""
    return [1 << bit for bit in reversed(range(size.bit_length())) if size >> bit & 1]
