"""What a managed ring keeps outside the key manager: pure values, and JSON there and back.

Every key in it is wrapped by the manager. A generation's key is wrapped twice: under a key of its own in the manager,
whose destruction makes every copy of this document worthless for that generation, and that again under the master
key. The whole is sealed by a MAC whose key is wrapped by the master key too: who can write to the database but not
use the manager can neither revive a generation nor name another key to be destroyed.
"""

from __future__ import annotations

import base64
import binascii
import hmac
import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from enum import StrEnum
from typing import Any

from crypto.key_ring import Generation, GenerationState
from crypto.master_key import KeyContext
from crypto.secret import Secret, keyed_digest
from domain.clock import parse_rfc3339, rfc3339
from domain.errors import NotFound, StateConflict

MAX_SIZE = 1 << 20
PURPOSE = re.compile(r"[a-z][a-z0-9-]{0,63}")
_FORMAT = 1
_APP = "bilaga"
_INSTALLATION = re.compile(r"[0-9a-f]{32}")
_REFERENCE = re.compile(r"[!-~]{1,512}")


class ManagedState(StrEnum):
    """``ending``: no node opens anything with it any more; the manager may not have destroyed its key yet."""

    ACTIVE = "active"
    RETIRED = "retired"
    ENDING = "ending"
    DESTROYED = "destroyed"


_SHOWN = {
    ManagedState.ACTIVE: GenerationState.ACTIVE,
    ManagedState.RETIRED: GenerationState.RETIRED,
    # Whoever looks for what is to be destroyed must find it again, until the manager has done it.
    ManagedState.ENDING: GenerationState.RETIRED,
    ManagedState.DESTROYED: GenerationState.DESTROYED,
}
_OPENABLE = frozenset({ManagedState.ACTIVE, ManagedState.RETIRED})


@dataclass(frozen=True, slots=True)
class ManagedGeneration:
    """A generation: the reference of its own key in the manager, and its key-encryption key wrapped while it lives."""

    number: int
    created_at: datetime
    state: ManagedState
    reference: str
    wrapped: bytes | None = field(repr=False)

    @property
    def shown(self) -> Generation:
        """It as everybody else knows it."""
        return Generation(self.number, self.created_at, _SHOWN[self.state])

    @property
    def exported(self) -> Generation:
        """It as another ring takes it over: what opens nothing any more has ended there."""
        state = _SHOWN[self.state] if self.state in _OPENABLE else GenerationState.DESTROYED
        return Generation(self.number, self.created_at, state)


@dataclass(frozen=True, slots=True)
class ManagedDocument:
    """All of it. ``seal_key``: the wrapped key of its MAC."""

    installation: str
    created_at: datetime
    seal_key: bytes = field(repr=False)
    generations: tuple[ManagedGeneration, ...]
    secrets: Mapping[str, bytes] = field(repr=False)

    @property
    def active(self) -> ManagedGeneration:
        """The one that wraps."""
        return self.generations[-1]

    def openable(self, number: int) -> ManagedGeneration | None:
        """A generation that may still open something."""
        if not 1 <= number <= len(self.generations):
            return None
        found = self.generations[number - 1]
        return found if found.state in _OPENABLE else None

    def holds(self, reference: str) -> bool:
        """Whether a generation stands on this key of the manager."""
        return any(known.reference == reference for known in self.generations)

    def rotated(self, now: datetime, reference: str, wrapped: bytes) -> ManagedDocument:
        """With a new generation that is the active one."""
        retired = tuple(
            replace(known, state=ManagedState.RETIRED) if known.state is ManagedState.ACTIVE else known
            for known in self.generations
        )
        added = ManagedGeneration(len(self.generations) + 1, now, ManagedState.ACTIVE, reference, wrapped)
        return replace(self, generations=(*retired, added))

    def ending(self, number: int, settled: datetime) -> ManagedDocument:
        """Without a generation's key, but with the name of what must be destroyed; itself where that was done before.
        Raises NotFound, StateConflict: also for one that was not retired before ``settled``.
        """
        if not 1 <= number <= len(self.generations):
            raise NotFound
        match self.generations[number - 1].state:
            case ManagedState.ACTIVE:
                raise StateConflict("The active generation cannot be destroyed; rotate first.", state="active")
            case ManagedState.RETIRED:
                if self.generations[number].created_at > settled:  # the next one, which retired it
                    detail = "This generation was retired a moment ago, another node may be using it; wait two minutes."
                    raise StateConflict(detail, state="retired")
                return self._changed(number, ManagedState.ENDING)
            case _:
                return self

    def destroyed(self, number: int) -> ManagedDocument:
        """With a generation that was ``ending`` at its end; itself where it is there already."""
        if self.generations[number - 1].state is not ManagedState.ENDING:
            return self
        return self._changed(number, ManagedState.DESTROYED)

    def renewed(self, renew: Callable[[bytes, KeyContext], bytes]) -> ManagedDocument:
        """With all that the master key itself wraps wrapped anew."""
        return replace(
            self,
            seal_key=renew(self.seal_key, self.seal_context()),
            generations=tuple(
                known
                if known.wrapped is None
                else replace(known, wrapped=renew(known.wrapped, self.generation_context(known.number)))
                for known in self.generations
            ),
            secrets={purpose: renew(old, self.secret_context(purpose)) for purpose, old in self.secrets.items()},
        )

    def generation_context(self, number: int) -> KeyContext:
        """What binds a generation's wrapping (S-33)."""
        return {"app": _APP, "installation": self.installation, "purpose": "generation", "generation": str(number)}

    def secret_context(self, purpose: str) -> KeyContext:
        """What binds a secret's wrapping."""
        return {"app": _APP, "installation": self.installation, "purpose": f"secret/{purpose}"}

    def seal_context(self) -> KeyContext:
        """What binds the wrapping of the MAC's key."""
        return {"app": _APP, "installation": self.installation, "purpose": "document"}

    def encode(self, seal: Secret) -> bytes:
        """The document's bytes: JSON in ASCII, its last member the MAC of the rest."""
        body = {
            "format": _FORMAT,
            "installation": self.installation,
            "created_at": rfc3339(self.created_at),
            "seal_key": _base64(self.seal_key),
            "generations": [
                {
                    "number": known.number,
                    "created_at": rfc3339(known.created_at),
                    "state": known.state.value,
                    "reference": known.reference,
                    "wrapped": None if known.wrapped is None else _base64(known.wrapped),
                }
                for known in self.generations
            ],
            "secrets": {purpose: _base64(wrapped) for purpose, wrapped in sorted(self.secrets.items())},
        }
        return json.dumps({**body, "mac": _mac(seal, body)}, separators=(",", ":")).encode("ascii")

    @classmethod
    def parse(cls, text: bytes) -> ManagedDocument:
        """What a document says, before its MAC is looked at. Raises ValueError, whose text holds nothing of it."""
        found = _loaded(text)
        try:
            if found["format"] != _FORMAT:
                raise ValueError("its format is unknown")
            document = cls(
                _matching(found["installation"], _INSTALLATION),
                parse_rfc3339(found["created_at"]),
                _octets(found["seal_key"]),
                tuple(_generation(row) for row in found["generations"]),
                {_matching(purpose, PURPOSE): _octets(wrapped) for purpose, wrapped in found["secrets"].items()},
            )
        except (KeyError, TypeError, AttributeError, binascii.Error):
            raise ValueError("a member is missing or malformed") from None
        document._check_generations()
        return document

    def _changed(self, number: int, state: ManagedState) -> ManagedDocument:
        return replace(
            self,
            generations=tuple(
                replace(known, state=state, wrapped=None) if known.number == number else known
                for known in self.generations
            ),
        )

    def _check_generations(self) -> None:
        *earlier, newest = [known.state for known in self.generations] or [ManagedState.DESTROYED]
        if (
            newest is not ManagedState.ACTIVE
            or ManagedState.ACTIVE in earlier
            or [known.number for known in self.generations] != list(range(1, len(self.generations) + 1))
            or any((known.wrapped is not None) != (known.state in _OPENABLE) for known in self.generations)
        ):
            raise ValueError("its generations do not fit together")


def is_sealed(text: bytes, seal: Secret) -> bool:
    """Whether the MAC is the one of the rest. Raises ValueError for what is no document."""
    found = _loaded(text)
    said = found.pop("mac", None)
    return isinstance(said, str) and said.isascii() and hmac.compare_digest(said, _mac(seal, found))


def _mac(seal: Secret, body: Mapping[str, Any]) -> str:
    return _base64(keyed_digest(seal, json.dumps(body, sort_keys=True, separators=(",", ":"))))


def _loaded(text: bytes) -> dict[str, Any]:
    if len(text) > MAX_SIZE:
        raise ValueError("it is too large")
    try:
        found = json.loads(text)
    except (json.JSONDecodeError, UnicodeDecodeError, RecursionError):
        raise ValueError("it is not JSON") from None
    if not isinstance(found, dict):
        raise ValueError("a member is missing or malformed")  # noqa: TRY004  a document's fault, not a caller's
    return found


def _generation(row: Any) -> ManagedGeneration:
    if type(row["number"]) is not int:
        raise TypeError
    wrapped = row["wrapped"]
    return ManagedGeneration(
        row["number"],
        parse_rfc3339(row["created_at"]),
        ManagedState(row["state"]),
        _matching(row["reference"], _REFERENCE),
        None if wrapped is None else _octets(wrapped),
    )


def _matching(text: Any, pattern: re.Pattern[str]) -> str:
    if not isinstance(text, str) or not pattern.fullmatch(text):
        raise TypeError
    return text


def _base64(raw: bytes) -> str:
    return base64.b64encode(raw).decode()


def _octets(text: Any) -> bytes:
    return base64.b64decode(text, validate=True)
