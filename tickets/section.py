"""A section ``[connectors.NAME]``, read key by key. Raises Misconfigured with the key as ``field``."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import quote

from domain.errors import Misconfigured
from domain.ticket import TicketStatus
from tickets.connectors import FRAME
from tickets.outgoing import Outgoing

LEAST_SECRET = 16
"""Characters of a secret that is worth the name."""


class Section:
    """Reads it; ``done`` says whether anything in it was asked for by nobody."""

    def __init__(self, section: Mapping[str, Any]) -> None:
        self._section = section
        self._asked: set[str] = set()

    def text(self, key: str, otherwise: str | None = None) -> str:
        """A text that is not empty; without ``otherwise`` it must be there."""
        value = self._value(key)
        if value is None and otherwise is not None:
            return otherwise
        if not isinstance(value, str) or not value.strip():
            raise Misconfigured(f"{key}: must be set", field=key)
        return value

    def one_of(self, key: str, words: Sequence[str], otherwise: str) -> str:
        """One of a few words, or what begins with one of them that ends in a colon (``cf:Customer``)."""
        value = self.text(key, otherwise)
        beginnings = tuple(word for word in words if word.endswith(":"))
        if value in words and not value.endswith(":"):
            return value
        if any(value.startswith(word) and len(value) > len(word) for word in beginnings):
            return value
        shown = ", ".join(f"{word}NAME" if word.endswith(":") else word for word in words)
        raise Misconfigured(f"{key}: one of {shown}", field=key)

    def flag(self, key: str, *, otherwise: bool) -> bool:
        """True or false."""
        value = self._value(key)
        if value is None:
            return otherwise
        if not isinstance(value, bool):
            raise Misconfigured(f"{key}: must be true or false", field=key)
        return value

    def number(self, key: str) -> float | None:
        """A number above 0, where there is one."""
        value = self._value(key)
        if value is None:
            return None
        if isinstance(value, str) and value.isascii() and value.isdecimal():  # as the environment says it
            value = int(value[:10])
        if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value < 1e9:
            raise Misconfigured(f"{key}: must be a number above 0", field=key)
        return value

    def texts(self, key: str, otherwise: Sequence[str] = ()) -> tuple[str, ...]:
        """A list of texts; one by itself will do."""
        value = self._value(key)
        if value is None:
            return tuple(otherwise)
        found = [value] if isinstance(value, str) else value
        if not isinstance(found, list | tuple) or not all(isinstance(one, str) and one.strip() for one in found):
            raise Misconfigured(f"{key}: must be a list of texts", field=key)
        return tuple(found)

    def words(self, key: str) -> Mapping[str, str]:
        """A table of texts by name."""
        value = self._value(key)
        if value is None:
            return {}
        if not isinstance(value, Mapping) or not all(isinstance(one, str) for one in value.values()):
            raise Misconfigured(f"{key}: must be a table of texts", field=key)
        return {str(name): one for name, one in value.items()}

    def statuses(self, own: Mapping[str, TicketStatus]) -> Mapping[str, TicketStatus]:
        """``statuses``: a system's words by what they mean, over its ``own``; in any case."""
        found = {name.casefold(): status for name, status in own.items()}
        for name, word in self.words("statuses").items():
            try:
                found[name.casefold()] = TicketStatus(word)
            except ValueError as error:
                raise Misconfigured(f"statuses: {name} must be open, pending or closed", field="statuses") from error
        return found

    def secrets(self, key: str = "webhook_secret", *, least: int = LEAST_SECRET) -> tuple[str, ...]:
        """Secrets, any of which will do, so that one can be changed without a gap; none where none is set."""
        found = self.texts(key)
        if any(len(one) < least for one in found):
            raise Misconfigured(f"{key}: at least {least} characters are needed", field=key)
        return found

    def prefix(self) -> str:
        """What stands before a system's ids in our names of its tickets."""
        value = self._value("prefix")
        if value is not None and not isinstance(value, str):
            raise Misconfigured("prefix: must be a text", field="prefix")
        return value or ""

    def outgoing(self, headers: Mapping[str, str], *, hosts: Sequence[str] = ()) -> Outgoing:
        """Requests to ``url``. ``hosts``: where the system's files lie besides, where the section does not say."""
        return Outgoing(
            self.text("url"),
            headers=headers,
            allowed_hosts=self.texts("allowed_hosts", hosts),
            networks=self.texts("networks"),
            allow_loopback=self.flag("allow_loopback", otherwise=False),
            rate=self.number("rate"),
            ca=self.text("ca", "") or None,
        )

    def done(self) -> None:
        """Nothing is left that nobody asked for."""
        for key in self._section:
            if key not in self._asked and key not in FRAME:
                raise Misconfigured(f"{key}: there is no such setting of this kind", field=key)

    def _value(self, key: str) -> Any:
        self._asked.add(key)
        return self._section.get(key)


def segment(value: str) -> str:
    """A word as one segment of a path."""
    return quote(value, safe="")
