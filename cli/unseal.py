"""``bilaga unseal``: break-glass, one sealed blob and its key string, no database."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import click

from domain.errors import BadInput

LONGEST = 4096


@click.command()
@click.option("--key-file", type=click.Path(path_type=Path, exists=True, dir_okay=False), help="Holds the key string.")
@click.option("--key-fd", type=click.IntRange(min=0), help="A descriptor to read the key string from.")
@click.option("--key", help="The key string itself; other processes can read it, so rather not.")
def unseal(key_file: Path | None, key_fd: int | None, key: str | None) -> None:
    """Open a sealed blob from stdin to stdout: ``bilaga unseal --key-file FILE < sealed > plain``.

    Each segment is checked before it is written; where one fails, what was written before it is not the whole file.
    """
    from crypto import unseal_stream

    given = [value for value in (key_file, key_fd, key) if value is not None]
    if len(given) != 1:
        raise BadInput("give the key string by exactly one of --key-file, --key-fd and --key")
    if key is not None:
        click.echo("warning: a key on the command line can be read by other processes and stays in histories", err=True)
    text = key
    if key_file is not None:
        text = key_file.read_text(encoding="utf-8")
    elif key_fd is not None:
        with os.fdopen(key_fd, "r", encoding="utf-8") as stream:
            text = stream.read(LONGEST)
    for piece in unseal_stream(sys.stdin.buffer.read, (text or "").strip()):
        sys.stdout.buffer.write(piece)
    sys.stdout.buffer.flush()


COMMANDS = {"unseal": unseal}
