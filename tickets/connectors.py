"""What the wiring makes of a connector's settings, and what every kind of them shares."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from tickets.desk import Desk, Hook

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
