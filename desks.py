"""Which kind of ticket system a connector's settings mean: beside ``server.py``, the only one that knows them.

A kind is imported where it is asked for. A further one is a line in ``KINDS`` and a function.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from domain.errors import Misconfigured
from tickets import Maker

KINDS: Mapping[str, Callable[[], Maker]] = {}


def maker(kind: str) -> Maker:
    """What makes connectors of a kind. Raises Misconfigured for one nobody knows."""
    if kind not in KINDS:
        raise Misconfigured(f"kind: one of {', '.join(sorted(KINDS))}", field="kind")
    return KINDS[kind]()
