"""A key manager that is asked again where that helps, and left in peace while it is down (S-85)."""

from __future__ import annotations

import logging
import random
import time
from collections.abc import Callable
from typing import TypeVar

from crypto.master_key import KeyContext, MasterKey
from domain.breaker import Breaker
from domain.errors import KeysUnavailable

log = logging.getLogger(__name__)

T = TypeVar("T")

ATTEMPTS = 3
NO_MORE_AFTER = 1.0
"""Seconds from the first attempt after which no further one is begun: a manager that stalls is not asked twice."""
_FIRST_PAUSE = 0.05


class PatientMaster:
    """Fulfils ``MasterKey`` by another one: a few attempts with jitter, and a circuit breaker before them."""

    def __init__(
        self,
        master: MasterKey,
        *,
        sleep: Callable[[float], None] = time.sleep,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._master = master
        self._sleep = sleep
        self._monotonic = monotonic
        self._breaker = Breaker(KeysUnavailable, master.ping, _tell, failures=1, pause=2.0, monotonic=monotonic)

    @property
    def name(self) -> str:
        return self._master.name

    def make(self, label: KeyContext) -> str:
        return self._ask(lambda: self._master.make(label))

    def wrap(self, key: str | None, plaintext: bytes, context: KeyContext) -> bytes:
        return self._ask(lambda: self._master.wrap(key, plaintext, context))

    def unwrap(self, key: str | None, wrapped: bytes, context: KeyContext) -> bytes:
        return self._ask(lambda: self._master.unwrap(key, wrapped, context))

    def destroy(self, key: str) -> None:
        self._ask(lambda: self._master.destroy(key))

    def ping(self) -> None:
        self._ask(self._master.ping)

    def _ask(self, question: Callable[[], T]) -> T:
        return self._breaker.call(lambda: self._patiently(question))

    def _patiently(self, question: Callable[[], T]) -> T:
        begun = self._monotonic()
        for attempt in range(1, ATTEMPTS):
            try:
                return question()
            except KeysUnavailable:
                if self._monotonic() - begun > NO_MORE_AFTER:
                    raise
                self._sleep(random.uniform(0.5, 1.5) * _FIRST_PAUSE * 4 ** (attempt - 1))  # noqa: S311  jitter, no secret
        return question()


def _tell(is_back: bool) -> None:
    if is_back:
        log.info("key service back")
    else:
        log.error("key service down")
