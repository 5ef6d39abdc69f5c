"""``bilaga serve`` and ``bilaga demo``: the service."""

from __future__ import annotations

import click

from cli.main import Context
from domain.errors import BadInput


@click.command()
@click.option("--host", default="127.0.0.1", show_default=True)
@click.option("--port", default=8080, show_default=True, type=click.IntRange(0, 65535), help="0: any free one.")
@click.option("--workers", default=1, show_default=True, type=click.IntRange(min=1))
@click.pass_obj
def serve(context: Context, host: str, port: int, workers: int) -> None:
    """Run the service; the first start makes data folder, database and master key. SIGTERM drains."""
    import logs
    from server import open_site
    from service import run

    if workers != 1:
        raise BadInput("the embedded database takes one worker", field="--workers")
    settings = context.settings()
    logs.start(settings.log_level)
    with open_site(settings, serving=True) as site:
        run(site, host=host, port=port, say=click.echo)


@click.command()
@click.option("--host", default="127.0.0.1", show_default=True)
@click.option("--port", default=8080, show_default=True, type=click.IntRange(0, 65535), help="0: any free one.")
@click.pass_obj
def demo(context: Context, host: str, port: int) -> None:
    """Run the service with a sample ticket, and print its upload link and an agent's sign-in link."""
    import logs
    from demo import show
    from server import open_site
    from service import run

    settings = context.settings()
    logs.start("warning" if settings.log_level == "info" else settings.log_level)
    with open_site(settings, serving=True) as site:
        run(site, host=host, port=port, say=click.echo, then=lambda url: show(site, url, click.echo))


COMMANDS = {"serve": serve, "demo": demo}
