"""``bilaga send``: files by an upload link, from any machine; the receipt's address is printed alone on stdout."""

from __future__ import annotations

import json
import os
import signal
import sys
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import click

from cli.exits import exit_code

if TYPE_CHECKING:
    from client import Outcome, Sent

INTERRUPTED = 130


@click.command()
@click.argument("files", nargs=-1, required=True, metavar="FILE...")
@click.argument("link")
@click.option("--parallel", type=click.IntRange(1, 16), default=3, show_default=True, help="Files at a time.")
@click.option("--passcode-file", type=click.File(), help="The link's passcode is its first line; else it is asked for.")
@click.option("--name", default="stdin", show_default=True, help="What the stream is called that is sent as -.")
@click.option(
    "--patience", type=click.IntRange(min=0), default=600, show_default=True, help="Seconds to try without progress."
)
@click.option("--json", "as_json", is_flag=True, help="Every file's id, SHA-256, state and receipt, on stdout.")
@click.option("--quiet", is_flag=True, help="Only what went wrong, on stderr.")
@click.pass_context
def send(
    ctx: click.Context,
    files: tuple[str, ...],
    link: str,
    parallel: int,
    passcode_file: Any,
    name: str,
    patience: int,
    as_json: bool,
    quiet: bool,
) -> None:
    """Send files by an upload LINK; - is stdin. Broken off, the same command goes on where it was."""
    from cli.progress import shown
    from client import STDIN, Stopped, UploadLink
    from client import send as send_files
    from domain.errors import BadInput

    where = UploadLink.parse(link)
    passcode = passcode_file.readline().rstrip("\r\n") if passcode_file else None
    if passcode_file and STDIN in files and passcode_file.name == "<stdin>":
        raise BadInput("The passcode and a file can't both come from stdin.", field="passcode-file")
    proxy = _proxy(where.base)
    signal.signal(signal.SIGTERM, _interrupt)
    try:
        if passcode is None:
            passcode = _asked_for(where, proxy)
        with closing(shown(quiet=quiet)) as display:
            outcome = send_files(
                where,
                files,
                parallel=parallel,
                passcode=passcode,
                state_dir=_state_dir(),
                patience=patience,
                proxy=proxy,
                stdin=sys.stdin.buffer,
                stdin_name=name,
                progress=display.step,
            )
    except (KeyboardInterrupt, Stopped):
        click.echo("bilaga: stopped; run the same command again to go on where it was", err=True)
        ctx.exit(INTERRUPTED)
    _tell(outcome, as_json=as_json, quiet=quiet)
    if outcome.errors:
        ctx.exit(exit_code(outcome.errors[0]))


def _asked_for(where: Any, proxy: str | None) -> str | None:
    """The passcode, if the link has one. The link is looked at before anything is sent."""
    from client import terms
    from domain.errors import BadInput

    if not terms(where, proxy=proxy).passcode:
        return None
    if not sys.stderr.isatty():
        raise BadInput("This link has a passcode: give it with --passcode-file.", field="passcode-file")
    return str(click.prompt("Passcode", hide_input=True, err=True))


def _tell(outcome: Outcome, *, as_json: bool, quiet: bool) -> None:
    from cli.progress import plain

    for file in outcome.files:
        if file.error is not None:
            click.echo(f"bilaga: {plain(file.name)}: {file.error.detail}", err=True)
        elif not file.verified and not quiet:
            click.echo(f"{plain(file.name)}: is still being checked; the receipt will tell", err=True)
    if any(file.error is not None for file in outcome.files) and any(file.error is None for file in outcome.files):
        click.echo("bilaga: run the same command again to send what is missing; the rest is not sent twice", err=True)
    if as_json:
        said = {"receipts": outcome.receipts, "files": [_file(file) for file in outcome.files]}
        click.echo(json.dumps(said, ensure_ascii=False))
    else:
        for receipt in outcome.receipts:
            click.echo(receipt)


def _file(file: Sent) -> dict[str, Any]:
    return {
        "name": file.name,
        "size": file.size,
        "id": file.id,
        "sha256": file.sha256 or None,
        "verified": file.verified,
        "state": file.state,
        "resumed": file.resumed,
        "receipt_url": file.receipt_url or None,
        "error": None if file.error is None else {"type": file.error.code, "detail": file.error.detail},
    }


def _state_dir() -> Path:
    """Where programs of this user keep what a restart must not lose (XDG base directories)."""
    home = os.environ.get("XDG_STATE_HOME", "")
    return (Path(home) if home.startswith("/") else Path.home() / ".local" / "state") / "bilaga" / "send"


def _proxy(base: str) -> str | None:
    """The proxy that the environment names for an address."""
    from urllib.request import getproxies, proxy_bypass

    parts = urlsplit(base)
    return None if proxy_bypass(parts.netloc) else getproxies().get(parts.scheme)


def _interrupt(*_: object) -> None:
    raise KeyboardInterrupt


COMMANDS = {"send": send}
