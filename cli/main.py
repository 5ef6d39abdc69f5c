"""The command ``bilaga`` and its families. Rooms are imported inside commands: ``--help`` must not wait for them."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from cli.exits import exit_code
from domain.errors import BilagaError

if TYPE_CHECKING:
    from installation import Site
    from settings import Settings


@dataclass(frozen=True, slots=True)
class Context:
    """What every command is given."""

    config: Path | None

    def settings(self) -> Settings:
        """The settings of file and environment."""
        from settings import load

        return load(os.environ, self.config)

    @contextmanager
    def site(self) -> Iterator[Site]:
        """The site, beside a running service or alone."""
        import logs
        from server import open_site

        settings = self.settings()
        logs.start("error" if settings.log_level == "info" else settings.log_level)
        with open_site(settings, serving=False) as site:
            yield site


class Families(click.Group):
    """Loads a family of commands when one of it is asked for, and turns errors into lines and codes."""

    FAMILIES = (
        "apikey",
        "audit",
        "config",
        "connector",
        "db",
        "demo",
        "fsck",
        "hold",
        "keys",
        "link",
        "move",
        "organisation",
        "purge",
        "records-of-processing",
        "restore",
        "retention",
        "send",
        "serve",
        "signin",
        "subject",
        "ticket",
        "unseal",
    )

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(self.FAMILIES)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in self.FAMILIES:
            return None
        from importlib import import_module

        module = import_module(f"cli.{_MODULES.get(cmd_name, cmd_name)}")
        command: click.Command = module.COMMANDS[cmd_name]
        return command

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except BilagaError as error:
            where = f"{error.field}: " if error.field and error.field not in error.detail else ""
            click.echo(f"bilaga: {where}{error.detail}", err=True)
            ctx.exit(exit_code(error))
        except (click.exceptions.Exit, click.ClickException, click.Abort):
            raise
        except BrokenPipeError:
            # Whoever read our output has gone; what was asked for was done or not by then, and 141 says so.
            sys.stderr.close()
            ctx.exit(141)
        except Exception as error:
            if os.environ.get("BILAGA_LOG_LEVEL") == "debug":
                raise
            click.echo(f"bilaga: internal error ({type(error).__name__}); BILAGA_LOG_LEVEL=debug shows more", err=True)
            ctx.exit(70)


_MODULES = {
    "apikey": "access",
    "signin": "access",
    "organisation": "ticket",
    "demo": "serve",
    "records-of-processing": "processing",
}


@click.command(cls=Families, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.option("--config", type=click.Path(path_type=Path, dir_okay=False), help="Settings in TOML; BILAGA_* win.")
@click.version_option(package_name="bilaga", prog_name="bilaga")
@click.pass_context
def main(ctx: click.Context, config: Path | None) -> None:
    """Bilaga holds the attachments of support tickets, sealed, and erases them when their time is up."""
    ctx.obj = Context(config)
