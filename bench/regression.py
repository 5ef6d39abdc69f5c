"""Whether the service has become slower: a short run beside bare aiohttp, ratios against the recorded ones.

What is compared is processor time, ours over theirs: it moves little with what else the machine does, where speed moves
a lot. A ratio that has grown by half, which is a speed fallen by a third, fails; a bad moment is given two more.
``RECORD=1`` writes the ratios down.
"""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

from bench.compare import KIB, Cell, measure
from bench.running import MIB

RECORDED = Path(__file__).with_name("recorded.json")
CELLS = (Cell(4, 10 * KIB, 300), Cell(1, 128 * MIB, 1), Cell(4, 32 * MIB, 4))
WORSE = 1.5
GOES = 3


def ratios() -> dict[str, float]:
    """Processor time of ours for each of theirs, by load and way; the best round of each."""
    found = measure(CELLS, names=("bilaga", "aiohttp_sink"), rounds=2)
    return {
        f"{cell}, {way}": round(row["bilaga"][way]["cpu"] / row["aiohttp, bare"][way]["cpu"], 2)
        for cell, row in found.items()
        for way in ("up", "down")
    }


def run() -> None:
    """Exit 1 where a ratio stays worse than the recorded one by more than half."""
    if os.environ.get("RECORD"):
        RECORDED.write_text(json.dumps(ratios(), indent=1) + "\n")
        return
    recorded: dict[str, float] = json.loads(RECORDED.read_text())
    best = dict.fromkeys(recorded, float("inf"))
    for _ in range(GOES):
        for name, ratio in ratios().items():
            best[name] = min(best[name], ratio)
        worse = {name: ratio for name, ratio in best.items() if ratio > WORSE * recorded[name]}
        if not worse:
            print("no slower than recorded:", best)
            return
        print("slower than recorded:", worse, "recorded:", {name: recorded[name] for name in worse})
    sys.exit(1)
