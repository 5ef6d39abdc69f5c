"""Bars as SVG: how fast each peer is where Bilaga is 1, a group of bars for each load."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader

COLOURS = ("#0b6e4f", "#8d99ae", "#c9ada7", "#e09f3e", "#577590")
LEFT, TOP, BAR, GAP, WIDTH = 110, 52, 11, 10, 860
MOST = 4.0
"""Times as fast as Bilaga at which a bar is cut off, its figure telling the rest."""


def write(cells: dict[str, Any], folder: Path) -> None:
    """``benchmark-up.svg`` and ``benchmark-down.svg``."""
    for way, title in (("up", "Uploads"), ("down", "Downloads")):
        (folder / f"benchmark-{way}.svg").write_text(_drawn(cells, way, f"{title}: speed where Bilaga's is 1"))


def _drawn(cells: dict[str, Any], way: str, title: str) -> str:
    names = [*next(iter(cells.values()))]
    scale = (WIDTH - LEFT - 60) / MOST
    groups, y = [], TOP
    for cell, row in cells.items():
        ours = row["bilaga"][way]["best"]
        bars = []
        for number, name in enumerate(names):
            times = row[name][way]["best"] / ours
            width = round(min(times, MOST) * scale, 1)
            bars.append({"name": name, "y": y + number * BAR, "width": width, "text": f"{times:.2f}"})
        groups.append({"name": cell, "y": y, "height": BAR * len(names), "bars": bars})
        y += BAR * len(names) + GAP
    drawn = Environment(autoescape=True, loader=FileSystemLoader(Path(__file__).parent)).get_template("plot.svg")
    return drawn.render(
        width=WIDTH,
        height=y,
        left=LEFT,
        one=LEFT + scale,
        title=title,
        names=names,
        colours=dict(zip(names, COLOURS, strict=True)),
        groups=groups,
    )
