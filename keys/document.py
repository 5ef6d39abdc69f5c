"""Where a managed key ring's document rests: a mark of the site in the records, beside what it opens.

It is of use to nobody without the key manager; that is what lets it lie in the same backup as the data.
"""

from __future__ import annotations

from typing import final

from storage.records import Records, Unit

KEY_DOCUMENT = "key-document"
"""The mark's name. A move between two sites leaves it behind: the new ring writes its own."""


@final
class RecordsDocuments:
    """``crypto.KeyDocuments`` on the records.

    ``records`` should be a connection of its own, not the one that works use: a ring looks its document up while a
    work that needs a key is running, and must not wait there for a place among those that wait for it.
    """

    def __init__(self, records: Records) -> None:
        self._records = records

    def load(self) -> bytes | None:
        found = self._records.read(lambda unit: unit.site.get(KEY_DOCUMENT))
        return None if found is None else found.encode("ascii")

    def replace(self, old: bytes | None, new: bytes) -> bool:
        before = None if old is None else old.decode("ascii")
        after = new.decode("ascii")

        def work(unit: Unit) -> bool:
            if unit.site.get(KEY_DOCUMENT) != before:
                return False
            unit.site.put(KEY_DOCUMENT, after)  # writes are serial (ports/records.py): nobody was here in between
            return True

        return self._records.write(work)
