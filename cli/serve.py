"""``bilaga serve`` and ``bilaga demo``: the service."""

from __future__ import annotations

import socket
import sys

import click

from cli.main import Context
from domain.errors import BadInput


@click.command()
@click.option("--host", default="127.0.0.1", show_default=True)
@click.option("--port", default=8080, show_default=True, type=click.IntRange(0, 65535), help="0: any free one.")
@click.option("--workers", default=1, show_default=True, type=click.IntRange(1, 256), help="More: PostgreSQL only.")
@click.option(
    "--listener", type=int, hidden=True, help="A worker's socket, handed over by the process that started it."
)
@click.pass_obj
def serve(context: Context, host: str, port: int, workers: int, listener: int | None) -> None:
    """Run the service; the first start makes data folder, database and master key. SIGTERM drains; with workers, SIGHUP
    starts them anew one after the other."""
    import logs
    from listener import open_listener

    settings = context.settings()
    logs.start(settings.log_level)
    if listener is None and workers > 1:
        from workers import Workers

        if settings.scheme("database_url") == "sqlite":
            raise BadInput("the embedded database takes one worker", field="--workers")
        command = [sys.executable, *sys.orig_argv[1:]]
        sys.exit(Workers(command, open_listener(host, port), workers, say=click.echo).run())

    from server import open_site
    from service import run

    with open_site(settings, serving=True) as site:
        if listener is None:
            run(site, listener=open_listener(host, port), say=click.echo)
        else:
            run(site, listener=socket.socket(fileno=listener), say=click.echo, parent=sys.stdin.fileno())


@click.command()
@click.option("--host", default="127.0.0.1", show_default=True)
@click.option("--port", default=8080, show_default=True, type=click.IntRange(0, 65535), help="0: any free one.")
@click.pass_obj
def demo(context: Context, host: str, port: int) -> None:
    """Run the service with a sample ticket, and print its upload link and an agent's sign-in link."""
    import logs
    from demo import show
    from listener import open_listener
    from server import open_site
    from service import run

    settings = context.settings()
    logs.start("warning" if settings.log_level == "info" else settings.log_level)
    with open_site(settings, serving=True) as site:
        listener = open_listener(host, port)
        run(site, listener=listener, say=click.echo, then=lambda url: show(site, url, click.echo))


COMMANDS = {"serve": serve, "demo": demo}
