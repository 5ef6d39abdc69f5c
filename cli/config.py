"""``bilaga config``: the effective settings."""

from __future__ import annotations

import json

import click

from cli.main import Context


@click.group()
def config() -> None:
    """Look at the settings."""


@config.command()
@click.pass_obj
def check(context: Context) -> None:
    """Print the effective settings, secrets masked; exit 2 and one line where one is wrong."""
    from retention import Policy

    settings = context.settings()
    policy = Policy.from_mapping(settings.retention)
    shown = settings.shown()
    shown["retention"] = policy.fingerprint
    click.echo(json.dumps(shown, indent=2, ensure_ascii=False))
    click.echo("note: bilaga retention show tells whether this retention policy is the one in force", err=True)
    if settings.keys_url is None:
        click.echo(
            "note: the key file lies in the data folder; keep it out of every backup that holds the data", err=True
        )
    if settings.clamd_url is None:
        click.echo("note: CLAMD_URL is not set; files are not scanned for malware, and say so", err=True)


COMMANDS = {"config": config}
