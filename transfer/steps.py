"""The seam where crash tests stop a process: called after each durable step of receiving, and nothing by default.

``claimed`` (row, key and room committed), ``sealed`` (blob durable and verified), ``finished`` (acknowledged),
``abandoned`` and ``ended`` (row gone, blob still there).
"""

from __future__ import annotations

from collections.abc import Callable

Steps = Callable[[str], None]


def unwatched(step: str) -> None:
    """Goes on."""
