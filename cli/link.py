"""``bilaga link``: links by hand; the address is printed alone on stdout, this once."""

from __future__ import annotations

import click

from cli.main import Context


@click.group()
def link() -> None:
    """Upload and download links."""


@link.command()
@click.argument("ref")
@click.option("--expires-in", help="An ISO 8601 duration such as P7D.")
@click.option("--expires-at", help="An RFC 3339 instant.")
@click.option("--max-files", type=click.IntRange(min=1))
@click.option("--max-bytes", type=click.IntRange(min=1))
@click.option("--allow", "allowed", multiple=True, help="A media type (image/*) or extension (.pdf); repeatable.")
@click.option("--passcode", help="At least six characters; - asks for it.")
@click.option("--language", help="The page's language: en, sv, nb, da, fi or de. Without it, the reader's.")
@click.option("--note", help="Shown on the page.")
@click.pass_obj
def upload(
    context: Context,
    ref: str,
    expires_in: str | None,
    expires_at: str | None,
    max_files: int | None,
    max_bytes: int | None,
    allowed: tuple[str, ...],
    passcode: str | None,
    language: str | None,
    note: str | None,
) -> None:
    """Make an upload link for a ticket."""
    from domain.actor import SYSTEM
    from domain.link import LinkKind

    with context.site() as site:
        hashed = _hashed(site.passcodes.hash, passcode)
        issued = site.records.write(
            lambda unit: site.issuing.upload(
                unit,
                SYSTEM,
                ref,
                expires_in=expires_in,
                expires_at=expires_at,
                max_files=max_files,
                max_bytes=max_bytes,
                allowed_types=allowed,
                passcode_hash=hashed,
                language=language,
                note=note,
            )
        )
        click.echo(site.link_url(LinkKind.UPLOAD, issued.token))


@link.command()
@click.argument("attachment_id")
@click.option("--expires-in", help="An ISO 8601 duration such as P7D.")
@click.option("--expires-at", help="An RFC 3339 instant.")
@click.option("--max-downloads", type=click.IntRange(min=1))
@click.option("--passcode", help="At least six characters; - asks for it.")
@click.option("--recipient", help="A code is mailed to this address before anything is served.")
@click.pass_obj
def download(
    context: Context,
    attachment_id: str,
    expires_in: str | None,
    expires_at: str | None,
    max_downloads: int | None,
    passcode: str | None,
    recipient: str | None,
) -> None:
    """Make a download link for an attachment."""
    from domain.actor import SYSTEM
    from domain.errors import BadInput
    from domain.ids import AttachmentId
    from domain.link import LinkKind

    with context.site() as site:
        if recipient is not None and site.settings.smtp_url is None:
            raise BadInput("No mail server is configured (SMTP_URL), so no code can be mailed.", field="recipient")
        hashed = _hashed(site.passcodes.hash, passcode)
        issued = site.records.write(
            lambda unit: site.issuing.download(
                unit,
                SYSTEM,
                AttachmentId(attachment_id),
                expires_in=expires_in,
                expires_at=expires_at,
                max_downloads=max_downloads,
                passcode_hash=hashed,
                recipient=recipient,
            )
        )
        click.echo(site.link_url(LinkKind.DOWNLOAD, issued.token))


@link.command()
@click.argument("link_id")
@click.pass_obj
def revoke(context: Context, link_id: str) -> None:
    """End a link, at once."""
    from domain.actor import SYSTEM
    from domain.ids import LinkId

    with context.site() as site:
        site.records.write(lambda unit: site.revoking.revoke(unit, SYSTEM, LinkId(link_id)))


def _hashed(hasher: object, passcode: str | None) -> str | None:
    if passcode is None:
        return None
    given = click.prompt("Passcode", hide_input=True, err=True) if passcode == "-" else passcode
    return str(hasher(given))  # type: ignore[operator]


COMMANDS = {"link": link}
