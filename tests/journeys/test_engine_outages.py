"""PostgreSQL, S3 or the key manager out of reach: 503 by its name, nothing kept, and well again by itself (S-85)."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from tests.crash.vault import Answer, Vault, inside
from tests.faults.proxy import Faults, Proxy
from tests.faults.shared import SharedSite

pytestmark = [
    pytest.mark.long,
    pytest.mark.slow,
    pytest.mark.timeout(600),
    pytest.mark.xdist_group("engine-outages"),
    pytest.mark.embedded("stands on engines of its own, behind proxies"),
]
KEPT = b"what was acknowledged before" * 100_000
ENGINES = {
    "TEST_POSTGRES_URL": "database-unavailable",
    "TEST_CEPH_URL": "store-unavailable",
    "TEST_OPENBAO_URL": "key-unavailable",
}
FAULTS = {"refused": Faults(refuse=True), "stalled": Faults(stall=True)}
NOTICED = 75.0
"""Seconds in which an outage shows at the latest: keys are kept in memory for a minute (S-30)."""


class Away:
    """A serving node whose engines are all behind proxies."""

    def __init__(self, folder: Path, stack: ExitStack) -> None:
        self.proxies = {name: stack.enter_context(Proxy(os.environ[name])) for name in ENGINES}
        through = {name: proxy.url for name, proxy in self.proxies.items()}
        self.site = stack.enter_context(SharedSite(folder, through=through))
        self.node: Vault = self.site.nodes[0]
        self.node.start()
        self.kept: dict[str, dict[str, bytes]] = {}

    def until(self, expected: int, ask: Any, patience: float) -> Answer:
        """Ask until it is answered so; every answer before is one that was to be expected."""
        end = time.monotonic() + patience
        while (answer := ask()).status != expected:
            assert answer.status in {200, 201, 503}, answer
            assert time.monotonic() < end, f"still {answer.status}, {answer.body[:300]!r}"
            time.sleep(0.2)
        return answer


@pytest.fixture(scope="module")
def away(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Away]:
    with ExitStack() as stack:
        yield Away(tmp_path_factory.mktemp("away"), stack)


@pytest.mark.parametrize("fault", FAULTS)
@pytest.mark.parametrize("engine", ENGINES)
def test_an_engine_out_of_reach_is_said_and_passes(away: Away, engine: str, fault: str) -> None:
    node, proxy, ref = away.node, away.proxies[engine], f"{engine}-{fault}".replace("_", "-")
    node.ticket(ref)
    link = node.upload_link(ref)
    kept = {node.send(ref, "kept.bin", KEPT): KEPT}
    first = next(iter(kept))
    numbers = iter(range(1000))

    def send() -> Answer:
        answer = node.bare("PUT", f"{link}/put/{next(numbers)}.bin", KEPT)
        if answer.status == 201:
            kept[answer.json["id"]] = KEPT
        return answer

    proxy.set(FAULTS[fault])
    try:
        refused = away.until(503, send, NOTICED)
        assert refused.json["type"] == f"urn:bilaga:problem:{ENGINES[engine]}"
        assert int(refused.headers["retry-after"]) > 0
        read = away.until(503, lambda: node.read(first), NOTICED)
        assert read.json["type"] == f"urn:bilaga:problem:{ENGINES[engine]}"
        assert node.bare("GET", "/healthz").status == 200
        away.until(503, lambda: node.bare("GET", "/readyz"), NOTICED)
    finally:
        proxy.heal()
    away.until(201, send, NOTICED)
    away.until(200, lambda: node.read(first), NOTICED)
    node.assert_holds(ref, kept)
    away.until(200, lambda: node.bare("GET", "/readyz"), NOTICED)
    away.kept[ref] = kept


CUTS = {"asking": Faults(cut_up=300, times=6), "answering": Faults(cut_down=300, times=6)}


@pytest.mark.parametrize("cut", CUTS)
@pytest.mark.parametrize("engine", ENGINES)
def test_connections_that_are_cut_lose_nothing_and_double_nothing(away: Away, engine: str, cut: str) -> None:
    node, proxy, ref = away.node, away.proxies[engine], f"cut-{engine}-{cut}".replace("_", "-")
    node.ticket(ref)
    link = node.upload_link(ref)
    kept: dict[str, bytes] = {}
    proxy.set(CUTS[cut])
    try:
        for n in range(6):
            answer = node.bare("PUT", f"{link}/put/{n}.bin", KEPT)
            assert answer.status in {201, 503}, answer
            if answer.status == 201:
                kept[answer.json["id"]] = KEPT
    finally:
        proxy.heal()
    last = away.until(201, lambda: node.bare("PUT", f"{link}/put/last.bin", KEPT), NOTICED)
    kept[last.json["id"]] = KEPT
    node.assert_holds(ref, kept)
    away.kept[ref] = kept


def test_after_all_outages_everything_acknowledged_is_there_and_nothing_else(away: Away) -> None:
    for ref, kept in away.kept.items():
        away.node.assert_holds(ref, kept)
    away.node.stop()
    away.node.assert_sound()
    with inside(away.node) as site:
        site.recovery.delete_orphans(site.clock())  # what the store could not be told, a day early
    assert away.site.parts() == []
    assert len(away.site.versions()) == sum(len(kept) for kept in away.kept.values())
    away.node.start()
