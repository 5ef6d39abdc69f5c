"""What the wiring makes of a connector's settings, and what every kind of them shares."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from threading import Lock
from typing import Any

from domain.errors import Misconfigured
from tickets.checks import CONNECTOR
from tickets.desk import Desk, Hook

WELCOMES = ("reply", "note", "none")
EVERY = timedelta(minutes=1)
FASTEST = timedelta(seconds=1)
FRAME = frozenset({"kind", "prefix", "evacuate", "delete", "welcome", "notes", "every", "networks", "webhook_secret"})
"""Settings of a section that are every kind's: a kind's own ``make`` passes them over, or reads them as well."""


@dataclass(frozen=True, slots=True)
class Made:
    """A connector as its kind made it. ``desk`` None: it has no API to ask, and its signed word counts.

    ``recipe``: what to set up in the system, given the hook's address and the secret, in lines to paste.
    """

    desk: Desk | None
    hook: Hook | None = None
    recipe: Callable[[str, str], str] | None = None


Maker = Callable[[Mapping[str, Any]], Made]
"""A kind's ``make``: of a section ``[connectors.NAME]`` with secrets in clear and ``webhook_secret`` there where one is
set or was made. Raises Misconfigured with the key as ``field``; asks nobody."""


@dataclass(frozen=True, slots=True)
class Frame:
    """What every kind's section says. ``prefix``: before the system's id in our ticket's name. ``welcome``: how a new
    ticket gets an upload link; ``notes``: whether arrived files are noted on their ticket. ``every``: how often the
    system is asked."""

    name: str
    kind: str
    prefix: str = ""
    evacuate: bool = False
    delete: bool = False
    welcome: str = "none"
    notes: bool = False
    every: timedelta = EVERY

    @classmethod
    def of(cls, name: str, section: Mapping[str, Any]) -> Frame:
        """Raises Misconfigured with the key as ``field``."""
        if not CONNECTOR.fullmatch(name):
            raise _wrong(name, None, "a connector's name is made of small letters, digits and hyphens, at most 40")
        kind, prefix = section.get("kind"), section.get("prefix", "")
        if not isinstance(kind, str) or not kind:
            raise _wrong(name, "kind", "is needed")
        if not isinstance(prefix, str) or prefix != prefix.strip():
            raise _wrong(name, "prefix", "must be text without outer spaces")
        welcome = section.get("welcome", "none")
        if welcome not in WELCOMES:
            raise _wrong(name, "welcome", f"one of {', '.join(WELCOMES)}")
        return cls(
            name,
            kind,
            prefix,
            _flag(name, section, "evacuate"),
            _flag(name, section, "delete"),
            str(welcome),
            _flag(name, section, "notes"),
            _span(name, section.get("every", EVERY)),
        )


class Connectors:
    """A site's connectors, each made when it is first asked for. Safe from any thread.

    ``maker`` finds a kind's ``make``; ``secret`` tells a connector's webhook secret of our own making by its number.
    """

    def __init__(
        self,
        sections: Mapping[str, Mapping[str, Any]],
        maker: Callable[[str], Maker],
        secret: Callable[[str, int], str],
    ) -> None:
        """Raises Misconfigured for what is wrong in the frame of a section."""
        self._sections = sections
        self._maker = maker
        self._secret = secret
        self._lock = Lock()
        self._made: dict[tuple[str, int], Made] = {}
        self.frames = {name: Frame.of(name, section) for name, section in sorted(sections.items())}
        seen: dict[str, str] = {}
        for name, frame in self.frames.items():
            if frame.prefix in seen:
                raise _wrong(name, "prefix", f"must not be that of {seen[frame.prefix]}, or tickets would be mixed up")
            seen[frame.prefix] = name

    def open(self, name: str, number: int = 0) -> Made:
        """A connector; ``number`` of the webhook secret that counts, 0: only a configured one. Raises Misconfigured,
        KeyError for a name that no section has."""
        frame = self.frames[name]
        with self._lock:
            made = self._made.get((name, number))
            if made is None:
                section = dict(self._sections[name])
                if number and not section.get("webhook_secret"):
                    section["webhook_secret"] = self._secret(name, number)
                try:
                    made = self._maker(frame.kind)(section)
                except Misconfigured as error:
                    where = f"connectors.{name}" + (f".{error.field}" if error.field else "")
                    raise Misconfigured(f"connectors.{name}: {error.detail}", field=where) from error
                self._made[name, number] = made
            return made

    def secret(self, name: str, number: int) -> str | None:
        """The webhook secret that counts; None: there is none."""
        configured = self._sections[name].get("webhook_secret")
        if configured:
            return str(configured if isinstance(configured, str) else next(iter(configured)))
        return self._secret(name, number) if number else None

    def asks(self, name: str) -> bool:
        """Whether a connector has an API; also of one that no section has any more, for nobody can ask it."""
        return name not in self.frames or self.open(name).desk is not None

    def open_all(self) -> None:
        """Make every one, so that a wrong setting is told at the start. Raises Misconfigured."""
        for name in self.frames:
            self.open(name)


def _wrong(name: str, key: str | None, why: str) -> Misconfigured:
    where = f"connectors.{name}" + (f".{key}" if key else "")
    return Misconfigured(f"{where}: {why}", field=where)


def _flag(name: str, section: Mapping[str, Any], key: str) -> bool:
    value = section.get(key, False)
    if isinstance(value, str) and value.lower() in {"true", "false"}:  # as the environment spells it
        return value.lower() == "true"
    if not isinstance(value, bool):
        raise _wrong(name, key, "true or false")
    return value


def _span(name: str, value: object) -> timedelta:
    if isinstance(value, timedelta) and value >= FASTEST:
        return value
    raise _wrong(name, "every", "an ISO 8601 duration of a second or more")
