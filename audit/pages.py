"""The log read from the records in pages, so that a long one never lies in memory whole."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from storage.records import Checkpoint, JournalEntry, Records

PAGE = 1000


def kept_entries(records: Records, start: int = 0) -> Iterator[JournalEntry]:
    """Every entry from an index on, in order."""
    while True:
        page = _entries(records, start)
        yield from page
        if len(page) < PAGE:
            return
        start += len(page)


def kept_checkpoints(records: Records) -> Iterator[Checkpoint]:
    """Every checkpoint, in order."""
    start = 0
    while True:
        page = _checkpoints(records, start)
        yield from page
        if len(page) < PAGE:
            return
        start = page[-1].size + 1


def in_order(entries: Iterable[JournalEntry], checkpoints: Iterable[Checkpoint]) -> Iterator[JournalEntry | Checkpoint]:
    """Both as one: each checkpoint comes when as many entries came before it as it covers, or when no more come."""
    waiting = iter(checkpoints)
    checkpoint = next(waiting, None)
    for count, entry in enumerate(entries):
        while checkpoint is not None and checkpoint.size <= count:
            yield checkpoint
            checkpoint = next(waiting, None)
        yield entry
    if checkpoint is not None:
        yield checkpoint
        yield from waiting


def _entries(records: Records, start: int) -> list[JournalEntry]:
    return list(records.read(lambda unit: unit.journal.entries(start, PAGE)))


def _checkpoints(records: Records, start: int) -> list[Checkpoint]:
    return list(records.read(lambda unit: unit.journal.checkpoints(start, PAGE)))
