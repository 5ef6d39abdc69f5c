"""A key ring in memory: whole and true, and gone with the process. For tests and for trying things out."""

from __future__ import annotations

import secrets
from datetime import UTC, datetime
from threading import Lock
from typing import final

from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from crypto.context import Context
from crypto.data_key import DataKey
from crypto.hidden import Hidden
from crypto.key_ring import Generation, GenerationState, WrappedKey
from crypto.opened_keys import OpenedKeys
from crypto.secret import Secret
from crypto.wrapping import check_installation, unwrap_key, wrap_key
from domain.errors import KeysUnavailable, NotFound, StateConflict

_EPOCH = datetime(2026, 1, 1, tzinfo=UTC)


@final
class MemoryKeyRing:
    """Fulfils ``KeyRing`` and ``Portable``. ``reachable`` False plays a key service that is down."""

    def __init__(self, now: datetime = _EPOCH, installation: str | None = None) -> None:
        self._installation = installation or secrets.token_hex(16)
        self._created_at = now
        self._keks: dict[int, Hidden] = {}
        self._generations: dict[int, Generation] = {}
        self._secrets: dict[str, Secret] = {}
        self._lock = Lock()
        self.reachable = True
        self.rotate(now)

    @classmethod
    def create_from(cls, document: OpenedKeys) -> MemoryKeyRing:
        """The ring of an installation that leaves another one."""
        made = cls(document.created_at, document.installation)
        made._keks = dict(document.keks)
        made._generations = {known.number: known for known in document.generations}
        made._secrets = dict(document.secrets)
        return made

    @property
    def installation(self) -> str:
        return self._installation

    def wrap(self, key: DataKey, context: Context) -> WrappedKey:
        with self._reached():
            check_installation(context, self._installation)
            number = max(self._keks)
            return wrap_key(_cipher(self._keks[number]), number, key, context)

    def unwrap(self, wrapped: WrappedKey, context: Context) -> DataKey:
        with self._reached():
            check_installation(context, self._installation)
            kek = self._keks.get(wrapped.generation)
            if kek is None:
                raise KeysUnavailable
            return unwrap_key(_cipher(kek), wrapped, context)

    def generations(self) -> list[Generation]:
        with self._reached():
            return [self._generations[number] for number in sorted(self._generations)]

    def rotate(self, now: datetime) -> Generation:
        with self._reached():
            number = len(self._generations) + 1
            if number > 1:
                self._end(number - 1, GenerationState.RETIRED)
            self._keks[number] = Hidden.generate()
            self._generations[number] = Generation(number, now, GenerationState.ACTIVE)
            return self._generations[number]

    def destroy(self, number: int) -> None:
        with self._reached():
            if number not in self._generations:
                raise NotFound
            if self._generations[number].state is GenerationState.ACTIVE:
                raise StateConflict(state="active")
            self._keks.pop(number, None)
            self._end(number, GenerationState.DESTROYED)

    def secret(self, purpose: str) -> Secret:
        with self._reached():
            return self._secrets.setdefault(purpose, Secret.generate())

    def ping(self) -> None:
        with self._reached():
            return

    def export_document(self) -> OpenedKeys:
        with self._reached():
            generations = tuple(self._generations[number] for number in sorted(self._generations))
            return OpenedKeys(self._installation, self._created_at, generations, dict(self._keks), dict(self._secrets))

    def _end(self, number: int, state: GenerationState) -> None:
        self._generations[number] = Generation(number, self._generations[number].created_at, state)

    def _reached(self) -> Lock:
        if not self.reachable:
            raise KeysUnavailable
        return self._lock


def _cipher(kek: Hidden) -> AESGCM:
    return AESGCM(kek.reveal())
