"""Bilaga beside what people would pick instead, in one run: the table, the ratios and the plots of docs/benchmark.md.

All servers run, one is loaded at a time, in turn, ``ROUNDS`` times. Best and median are told; noise on a machine like a
virtual one only ever adds time, so the best is the steadier figure, and only ratios within one run mean anything.
Client and server share the machine.
"""

from __future__ import annotations

import json
import os
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from bench import limits, plot
from bench.load import Block, Done, Load
from bench.peer import ALL, Peer
from bench.running import MIB
from bench.uploads import warm
from bench.watched import Watched, cpu

KIB, GIB = 1 << 10, 1 << 30
ROUNDS = int(os.environ.get("ROUNDS", "3"))
DOCS = Path(__file__).parents[1] / "docs"
REMOVED_FROM = 100 * MIB


@dataclass(frozen=True)
class Cell:
    """``clients`` at once send ``count`` files of ``size`` bytes in all, then fetch them."""

    clients: int
    size: int
    count: int

    def __str__(self) -> str:
        unit, word = (GIB, "GiB") if self.size >= GIB else (MIB, "MiB") if self.size >= MIB else (KIB, "KiB")
        return f"{self.clients} x {self.size // unit} {word}"


CELLS = (
    Cell(1, 10 * KIB, 500),
    Cell(4, 10 * KIB, 1000),
    Cell(16, 10 * KIB, 2000),
    Cell(1, MIB, 128),
    Cell(4, MIB, 256),
    Cell(16, MIB, 512),
    Cell(1, 100 * MIB, 8),
    Cell(4, 100 * MIB, 8),
    Cell(16, 100 * MIB, 16),
    Cell(1, GIB, 1),
    Cell(4, GIB, 4),
    Cell(16, GIB, 16),
)


@dataclass
class Figures:
    """What the rounds of one cell gave for one peer, one way: seconds, processor seconds, latencies, memory."""

    seconds: list[float] = field(default_factory=list)
    cpu: list[float] = field(default_factory=list)
    latencies: list[float] = field(default_factory=list)
    peak: int = 0

    def told(self, cell: Cell) -> dict[str, float]:
        """The figures of a table's row: MB/s, CPU s a GiB, ms, MiB."""
        size = cell.size * cell.count
        marks = statistics.quantiles(self.latencies, n=100) if len(self.latencies) > 1 else self.latencies * 99
        return {
            "best": size / 1e6 / min(self.seconds),
            "median": size / 1e6 / statistics.median(self.seconds),
            "cpu": min(self.cpu) * GIB / size,
            "p50": marks[49] * 1e3,
            "p99": marks[98] * 1e3,
            "requests": cell.count / min(self.seconds),
            "peak": self.peak / MIB,
        }


class Round:
    """One peer under one cell's load, once each way."""

    def __init__(self, peer: Peer, watched: Watched, block: Block, cell: Cell) -> None:
        self._peer, self._watched, self._block, self._cell = peer, watched, block, cell

    def run(self, number: int, up: Figures, down: Figures) -> None:
        load = Load(self._peer, self._block, self._cell.clients)
        names = [f"{self._cell.clients}-{self._cell.size}-{number}-{file}.bin" for file in range(self._cell.count)]
        try:
            files = self._measured(up, lambda: load.send(names, self._cell.size))
            self._measured(down, lambda: load.fetch(files, self._cell.size))
        finally:
            load.close()
        if self._cell.size >= REMOVED_FROM:
            for done in files:
                self._peer.remove(done.name, done.answer)

    def _measured(self, figures: Figures, work: Callable[[], list[Done]]) -> list[Done]:
        self._watched.forget()
        began, used = time.perf_counter(), cpu(self._peer.pid)
        done = work()
        figures.seconds.append(time.perf_counter() - began)
        # The kernel counts in hundredths: nothing at all is half of one.
        figures.cpu.append(max(cpu(self._peer.pid) - used, 0.005))
        figures.latencies += [one.seconds for one in done]
        figures.peak = max(figures.peak, self._watched.peak)
        return done


def measure(cells: Sequence[Cell], names: Sequence[str] = (), rounds: int = ROUNDS) -> dict[str, Any]:
    """Every cell for every peer (``names``: of these alone): ``{cell: {peer: {"up": …, "down": …}}}``."""
    found: dict[str, Any] = {}
    with tempfile.TemporaryDirectory(dir=os.environ.get("BENCH_DIR")) as folder, ExitStack() as stack:
        peers = [stack.enter_context(make(Path(folder))) for make in ALL if not names or make.__name__ in names]
        watched = {peer.name: Watched(peer.pid) for peer in peers}
        for one in watched.values():
            stack.callback(one.stop)
        block = Block()
        for cell in cells:
            figures = {peer.name: (Figures(), Figures()) for peer in peers}
            for number, peer in _in_turn(peers, rounds):
                warm(Path(folder), min(cell.size * cell.count, GIB))
                Round(peer, watched[peer.name], block, cell).run(number, *figures[peer.name])
            found[str(cell)] = {
                name: {"up": up.told(cell), "down": down.told(cell)} for name, (up, down) in figures.items()
            }
            _say(str(cell), found[str(cell)])
    return found


def _in_turn(peers: Sequence[Peer], rounds: int) -> Iterator[tuple[int, Peer]]:
    for number in range(rounds):
        for peer in peers:
            yield number, peer


def _say(cell: str, row: dict[str, Any]) -> None:
    for way in ("up", "down"):
        print(f"{cell}, {way}")
        ours = row["bilaga"][way]
        for name, told in ((name, both[way]) for name, both in row.items()):
            print(
                f"  {name:15} {told['best']:6.0f} ({told['median']:6.0f}) MB/s  {told['cpu']:6.2f} CPU s/GiB  "
                f"p50 {told['p50']:8.1f}  p99 {told['p99']:8.1f} ms  {told['peak']:5.0f} MiB  "
                f"bilaga is {ours['best'] / told['best']:.2f} ({ours['median'] / told['median']:.2f}) of it",
                flush=True,
            )


def run() -> None:
    """``CELLS`` (all; a part by ``CELLS="1 x 1 GiB,16 x 10 KiB"``), the table, and the plots into docs/images."""
    wanted = [name.strip() for name in os.environ.get("CELLS", "").split(",") if name.strip()]
    cells = [cell for cell in CELLS if not wanted or str(cell) in wanted]
    bounds = limits.measure()
    print(bounds)
    found = measure(cells)
    if not wanted:
        told = {"limits": {"aes": bounds.aes, "sha": bounds.sha, "both": bounds.both}, "cells": found}
        (DOCS / "benchmark.json").write_text(json.dumps(told, indent=1) + "\n")
        plot.write(found, DOCS / "images")
