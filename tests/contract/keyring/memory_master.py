"""A key manager in memory: fast, whole, and to be switched off and on. A fake for what needs no real one."""

from __future__ import annotations

import secrets
from threading import Lock

from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from crypto.master_key import KeyContext, MasterRefused
from crypto.sealed_value import open_value, seal_value
from domain.errors import KeysUnavailable


class MemoryMaster:
    """``MasterKey``. ``down``: it does not answer. ``refusing``: it knows us no more. ``asked``: what it was asked."""

    name = "memory://master"

    def __init__(self) -> None:
        self._keys: dict[str | None, AESGCM] = {None: AESGCM(secrets.token_bytes(32))}
        self._lock = Lock()
        self.down = self.refusing = False
        self.asked: list[str] = []

    @property
    def made(self) -> set[str]:
        """The keys beside the master key."""
        return {name for name in self._keys if name is not None}

    def make(self, label: KeyContext) -> str:
        self._ask("make")
        name = f"master-{label['installation'][:8]}-{secrets.token_hex(8)}"
        with self._lock:
            self._keys[name] = AESGCM(secrets.token_bytes(32))
        return name

    def wrap(self, key: str | None, plaintext: bytes, context: KeyContext) -> bytes:
        self._ask("wrap")
        return seal_value(self._key(key), plaintext, _aad(context))

    def unwrap(self, key: str | None, wrapped: bytes, context: KeyContext) -> bytes:
        self._ask("unwrap")
        return open_value(self._key(key), wrapped, _aad(context))

    def destroy(self, key: str) -> None:
        self._ask("destroy")
        with self._lock:
            self._keys.pop(key, None)

    def ping(self) -> None:
        self._ask("ping")
        self._key(None)

    def _ask(self, what: str) -> None:
        self.asked.append(what)
        if self.down:
            raise KeysUnavailable
        if self.refusing:
            raise MasterRefused("refuses our token")

    def _key(self, key: str | None) -> AESGCM:
        found = self._keys.get(key)
        if found is None:
            raise MasterRefused("has no such key")
        return found


def _aad(context: KeyContext) -> bytes:
    return repr(sorted(context.items())).encode()
