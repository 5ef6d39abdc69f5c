"""``bilaga move``: the site to other engines, or back."""

from __future__ import annotations

import json
import time
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from cli.exits import FINDINGS
from cli.main import Context

if TYPE_CHECKING:
    from move import Moved

EVERY = 1.0
"""Seconds between two lines of progress."""


class _Progress:
    """Says on stderr how far it is, once in a while."""

    def __init__(self) -> None:
        self._next = time.monotonic() + EVERY

    def __call__(self, line: str) -> None:
        if time.monotonic() >= self._next:
            self._next = time.monotonic() + EVERY
            click.echo(line, err=True)


@click.command()
@click.option(
    "--to",
    "target",
    required=True,
    type=click.Path(path_type=Path, dir_okay=False, exists=True),
    metavar="FILE",
    help="Settings of the site as it will be, in TOML; no BILAGA_* variable counts for it.",
)
@click.option("--accept-damaged", is_flag=True, help="Move although blobs are damaged or missing; they stay so.")
@click.option("--json", "as_json", is_flag=True)
@click.pass_context
def move(ctx: click.Context, target: Path, *, accept_damaged: bool, as_json: bool) -> None:
    """Copy this site's rows, blobs and keys to other engines, compare them, and leave.

    Nothing may serve the site meanwhile. Killed at any moment it is run again and goes on. Exit 5: a blob is damaged or
    missing, and the site is still here.
    """
    import logs
    from move import move_site
    from settings import load

    context: Context = ctx.obj
    settings = context.settings()
    logs.start("error" if settings.log_level == "info" else settings.log_level)
    began = time.monotonic()
    moved = move_site(settings, load({}, target), accept=accept_damaged, say=_Progress())
    for fault in moved.blobs.faults:
        click.echo(f"damaged: {fault.attachment_id}: blob {fault.blob_id}: {fault.detail}", err=True)
    if as_json:
        click.echo(json.dumps(_shown(moved, time.monotonic() - began)))
    elif moved.already:
        click.echo("moved already: a move before this one was through")
    elif moved.complete:
        click.echo(
            f"moved: {moved.rows} rows, {moved.blobs.copied + moved.blobs.there} blobs "
            f"({moved.blobs.bytes} bytes copied), sha256 {moved.sha256}"
        )
    if not moved.complete:
        click.echo("NOT moved: the site is still here; --accept-damaged moves it with what is damaged", err=True)
        ctx.exit(FINDINGS)


def _shown(moved: Moved, seconds: float) -> dict[str, Any]:
    return {
        "complete": moved.complete,
        "already": moved.already,
        "seconds": round(seconds, 3),
        "rows": moved.rows,
        "sha256": moved.sha256,
        "tables": {table.name: {"rows": table.rows, "sha256": table.sha256.hex()} for table in moved.tables},
        "blobs": asdict(moved.blobs),
    }


COMMANDS = {"move": move}
