"""What stands in a key file: pure values, and JSON there and back. ``key_file`` is what moves it to the disk."""

from __future__ import annotations

import base64
import binascii
import json
import re
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from crypto.context import encode_fields
from crypto.hidden import KEY_SIZE, Hidden
from crypto.key_ring import Generation, GenerationState
from crypto.opened_keys import OpenedKeys
from crypto.sealed_value import open_value, seal_value
from crypto.secret import Secret
from domain.clock import parse_rfc3339, rfc3339
from domain.errors import NotFound, StateConflict

_FORMAT = 1
_WARNING = "Whoever has this file opens everything. Never keep it in the same backup as the data."
_GENERATION = b"bilaga/kek/v1\x00"
_SECRET = b"bilaga/site-secret/v1\x00"
_INSTALLATION = re.compile(r"[0-9a-f]{32}")
_PURPOSE = re.compile(r"[a-z][a-z0-9-]{0,63}")


@dataclass(frozen=True, slots=True)
class KeyDocument:
    """The master key, and under it the generations and the secrets; ``sealed_keks`` lacks what is destroyed."""

    installation: str
    created_at: datetime
    master: Secret
    generations: tuple[Generation, ...]
    sealed_keks: Mapping[int, bytes] = field(repr=False)
    sealed_secrets: Mapping[str, bytes] = field(repr=False)

    @classmethod
    def new(cls, now: datetime) -> KeyDocument:
        """A new installation with one generation."""
        return cls(secrets.token_hex(16), now, Secret.generate(), (), {}, {}).rotated(now)

    @classmethod
    def of(cls, opened: OpenedKeys) -> KeyDocument:
        """The keys of another ring under a master key of its own. Raises ValueError where they do not fit together."""
        bare = cls(opened.installation, opened.created_at, Secret.generate(), opened.generations, {}, {})
        master = bare._master()
        made = replace(
            bare,
            sealed_keks={
                number: seal_value(master, kek.reveal(), bare._generation_aad(number))
                for number, kek in opened.keks.items()
            },
            sealed_secrets={
                purpose: seal_value(master, secret.reveal(), bare._secret_aad(purpose))
                for purpose, secret in opened.secrets.items()
            },
        )
        return cls.parse(made.encode())

    def opened(self) -> OpenedKeys:
        """All its keys, as another ring takes them. Raises WrongContext where it was changed by hand."""
        keks = {
            number: Hidden(open_value(self._master(), sealed, self._generation_aad(number)))
            for number, sealed in self.sealed_keks.items()
        }
        return OpenedKeys(self.installation, self.created_at, self.generations, keks, self.open_secrets())

    def rotated(self, now: datetime) -> KeyDocument:
        """With a new generation that is the active one."""
        number = len(self.generations) + 1
        retired = tuple(
            replace(known, state=GenerationState.RETIRED) if known.state is GenerationState.ACTIVE else known
            for known in self.generations
        )
        sealed = seal_value(self._master(), secrets.token_bytes(KEY_SIZE), self._generation_aad(number))
        return replace(
            self,
            generations=(*retired, Generation(number, now, GenerationState.ACTIVE)),
            sealed_keks={**self.sealed_keks, number: sealed},
        )

    def destroyed(self, number: int) -> KeyDocument:
        """Without a generation's key; itself where that is gone already. Raises NotFound, StateConflict."""
        if not 1 <= number <= len(self.generations):
            raise NotFound
        match self.generations[number - 1].state:
            case GenerationState.ACTIVE:
                raise StateConflict("The active generation cannot be destroyed; rotate first.", state="active")
            case GenerationState.DESTROYED:
                return self
        return replace(
            self,
            generations=tuple(
                replace(known, state=GenerationState.DESTROYED) if known.number == number else known
                for known in self.generations
            ),
            sealed_keks={kept: sealed for kept, sealed in self.sealed_keks.items() if kept != number},
        )

    def with_secret(self, purpose: str) -> KeyDocument:
        """With a secret of this purpose; itself where there is one. Raises ValueError for an impossible purpose."""
        if purpose in self.sealed_secrets:
            return self
        if not _PURPOSE.fullmatch(purpose):
            raise ValueError("a purpose is lower case letters, digits and hyphens")
        sealed = seal_value(self._master(), secrets.token_bytes(KEY_SIZE), self._secret_aad(purpose))
        return replace(self, sealed_secrets={**self.sealed_secrets, purpose: sealed})

    def open_keks(self) -> dict[int, AESGCM]:
        """The keys of the generations, by number. Raises WrongContext where it was changed by hand."""
        return {
            number: AESGCM(open_value(self._master(), sealed, self._generation_aad(number)))
            for number, sealed in self.sealed_keks.items()
        }

    def open_secrets(self) -> dict[str, Secret]:
        """The site's secrets, by purpose. Raises WrongContext where it was changed by hand."""
        return {
            purpose: Secret(open_value(self._master(), sealed, self._secret_aad(purpose)))
            for purpose, sealed in self.sealed_secrets.items()
        }

    def encode(self) -> bytes:
        """The file's bytes: JSON in ASCII."""
        return (
            json.dumps(
                {
                    "warning": _WARNING,
                    "format": _FORMAT,
                    "installation": self.installation,
                    "created_at": rfc3339(self.created_at),
                    "master": _base64(self.master.reveal()),
                    "generations": [
                        {
                            "number": known.number,
                            "created_at": rfc3339(known.created_at),
                            "state": known.state.value,
                            "sealed": _base64(self.sealed_keks[known.number])
                            if known.state is not GenerationState.DESTROYED
                            else None,
                        }
                        for known in self.generations
                    ],
                    "secrets": {purpose: _base64(sealed) for purpose, sealed in sorted(self.sealed_secrets.items())},
                },
                indent=1,
            ).encode()
            + b"\n"
        )

    @classmethod
    def parse(cls, text: bytes) -> KeyDocument:
        """What a file says. Raises ValueError, whose text names what is wrong and holds nothing of the file."""
        try:
            found = json.loads(text)
            if found["format"] != _FORMAT:
                raise ValueError("its format is unknown")
            generations = tuple(_generation(row) for row in found["generations"])
            document = cls(
                _matching(found["installation"], _INSTALLATION),
                parse_rfc3339(found["created_at"]),
                Secret(_octets(found["master"])),
                generations,
                {row["number"]: _octets(row["sealed"]) for row in found["generations"] if row["sealed"] is not None},
                {_matching(purpose, _PURPOSE): _octets(sealed) for purpose, sealed in found["secrets"].items()},
            )
        except (json.JSONDecodeError, UnicodeDecodeError, RecursionError):
            raise ValueError("it is not JSON") from None
        except (KeyError, TypeError, AttributeError, binascii.Error):
            raise ValueError("a member is missing or malformed") from None
        document._check_generations()
        return document

    def _check_generations(self) -> None:
        *earlier, newest = [known.state for known in self.generations] or [GenerationState.DESTROYED]
        if (
            newest is not GenerationState.ACTIVE
            or GenerationState.ACTIVE in earlier
            or [known.number for known in self.generations] != list(range(1, len(self.generations) + 1))
            or set(self.sealed_keks)
            != {known.number for known in self.generations if known.state is not GenerationState.DESTROYED}
        ):
            raise ValueError("its generations do not fit together")

    def _master(self) -> AESGCM:
        return AESGCM(self.master.reveal())

    def _generation_aad(self, number: int) -> bytes:
        return _GENERATION + encode_fields(self.installation.encode(), number.to_bytes(8, "big"))

    def _secret_aad(self, purpose: str) -> bytes:
        return _SECRET + encode_fields(self.installation.encode(), purpose.encode())


def _generation(row: Any) -> Generation:
    if type(row["number"]) is not int:
        raise TypeError
    return Generation(row["number"], parse_rfc3339(row["created_at"]), GenerationState(row["state"]))


def _matching(text: Any, pattern: re.Pattern[str]) -> str:
    if not isinstance(text, str) or not pattern.fullmatch(text):
        raise TypeError
    return text


def _base64(raw: bytes) -> str:
    return base64.b64encode(raw).decode()


def _octets(text: Any) -> bytes:
    return base64.b64decode(text, validate=True)
