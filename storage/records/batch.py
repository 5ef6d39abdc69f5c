"""Works that share a commit: what the writer's thread hands to a database."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import Any, Protocol


@dataclass(slots=True, eq=False)
class Job:
    """A work that waits, then what came of it. ``alone``: no work on a connection but a task between two commits."""

    work: Callable[..., Any]
    alone: bool = False
    future: Future[Any] = field(default_factory=Future)
    result: Any = None
    error: BaseException | None = None


class Batch(Protocol):
    """Runs works in one transaction and commits it, in the writer's thread alone."""

    def __call__(self, jobs: Sequence[Job], /) -> None:
        """Give each job its result or its error, a work that raised being undone alone.

        Raises where nothing was committed, or nobody can tell (OutcomeUnknown): that is then the error of all of them.
        """
        ...
