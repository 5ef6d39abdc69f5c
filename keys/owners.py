"""Data keys of attachments, tickets and organisations: made, fetched and destroyed in the caller's transaction (S-39).

Wrapped keys are in the records and nowhere else; an open key lives for one use and is not kept here.
"""

from __future__ import annotations

from crypto import Context, DataKey, KeyRing, Secret, WrappedKey, keyed_digest
from domain.errors import AlreadyPurged
from storage.records import Unit, WrappedRow

ATTACHMENT = "attachment"
UPLOAD = "upload"
TICKET = "ticket"
ORGANISATION = "organisation"
_COMMITMENT = b"bilaga/text-commitment/v1\x00"


class Keys:
    """Owners' keys under a key ring. Safe to use from any thread; every call takes the caller's transaction."""

    def __init__(self, ring: KeyRing) -> None:
        self._ring = ring

    def context(self, owner_id: str, purpose: str) -> Context:
        """What binds a key, and all that is sealed with it, to its owner and to this installation (S-23)."""
        return Context(self._ring.installation, owner_id, purpose)

    def new(self, unit: Unit, owner_id: str, purpose: str) -> DataKey:
        """Make an owner's key and keep it wrapped. Raises KeysUnavailable."""
        key = DataKey.generate()
        wrapped = self._ring.wrap(key, self.context(owner_id, purpose))
        unit.keys.add(WrappedRow(owner_id, purpose, wrapped.generation, wrapped.sealed))
        return key

    def get(self, unit: Unit, owner_id: str, purpose: str) -> DataKey:
        """An owner's key. Raises AlreadyPurged where it was destroyed, WrongContext, KeysUnavailable."""
        key = self.find(unit, owner_id, purpose)
        if key is None:
            raise AlreadyPurged
        return key

    def find(self, unit: Unit, owner_id: str, purpose: str) -> DataKey | None:
        """An owner's key; None: never made, or destroyed. Raises WrongContext, KeysUnavailable."""
        row = unit.keys.get(owner_id, purpose)
        if row is None:
            return None
        return self._ring.unwrap(WrappedKey(row.generation, row.sealed), self.context(owner_id, purpose))

    def destroy(self, unit: Unit, owner_id: str) -> int:
        """Destroy all of an owner's keys: a cryptographic erase once this commits; how many there were."""
        return unit.keys.destroy(owner_id)

    def seal_text(self, unit: Unit, owner_id: str, purpose: str, label: str, text: str) -> bytes:
        """Seal a short text under the owner's key, which is made where there is none yet.

        ``label`` says what the text is (``name``, ``subject``, …): sealed as one thing it never opens as another.
        """
        key = self._find_or_make(unit, owner_id, purpose)
        return key.seal_text(text, label, self.context(owner_id, purpose))

    def open_text(self, unit: Unit, owner_id: str, purpose: str, label: str, sealed: bytes) -> str | None:
        """Open what ``seal_text`` sealed; None once the key is gone. Raises WrongContext."""
        key = self.find(unit, owner_id, purpose)
        if key is None:
            return None
        return key.open_text(sealed, label, self.context(owner_id, purpose))

    def commit_text(self, unit: Unit, owner_id: str, purpose: str, label: str, text: str) -> bytes:
        """32 bytes that commit to a text for the audit log: once the owner's key is gone they tell nothing (S-91)."""
        key = self._find_or_make(unit, owner_id, purpose)
        return keyed_digest(Secret(key.derive(salt=None, info=_COMMITMENT + label.encode())), text)

    def _find_or_make(self, unit: Unit, owner_id: str, purpose: str) -> DataKey:
        return self.find(unit, owner_id, purpose) or self.new(unit, owner_id, purpose)
