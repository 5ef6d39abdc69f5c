"""``bilaga records-of-processing``: what article 30 of the GDPR asks for, from what is configured."""

from __future__ import annotations

import json
import re

import click

from cli.main import Context
from cli.values import LANGUAGE


@click.command()
@click.option("--language", type=LANGUAGE, help="Of the document; without it, the site's.")
@click.option("--json", "as_json", is_flag=True, help="As JSON, for programs.")
@click.pass_obj
def records_of_processing(context: Context, language: str | None, *, as_json: bool) -> None:
    """Print the record of processing, in Markdown: purposes, data, recipients, limits, measures as they are now."""
    from processing import as_plain, processing_of
    from web import Languages, Pages

    with context.site() as site:
        record = processing_of(site)
        now = site.clock()
        languages = Languages(site.settings.default_language)
        if as_json:
            click.echo(json.dumps(as_plain(record), ensure_ascii=False, indent=2))
            return
        chosen = languages.get(language) or languages.default
        text = Pages(languages).mail("processing.txt", chosen, record=record, at=now)
    click.echo(re.sub(r"\n{3,}", "\n\n", text).strip())


COMMANDS = {"records-of-processing": records_of_processing}
