"""Where an installation keeps what it holds, and to whom it goes, as far as its settings tell."""

from __future__ import annotations

from collections.abc import Iterator
from ipaddress import ip_address
from urllib.parse import parse_qs, urlsplit

from settings import Settings
from subjects import Place

ENGINES = {
    "sqlite": "SQLite",
    "postgresql": "PostgreSQL",
    "file": "file",
    "s3": "S3",
    "aws-kms": "AWS KMS",
    "openbao": "OpenBao",
}
AMAZON_IN_EEA = frozenset(
    {
        "eu-central-1",
        "eu-north-1",
        "eu-south-1",
        "eu-south-2",
        "eu-west-1",
        "eu-west-3",
        "eusc-de-east-1",
    }
)
"""Amazon's regions in the European Economic Area. London (eu-west-2) and Zürich (eu-central-2) are not in it."""


def places(settings: Settings) -> list[Place]:
    """Everything that is configured, the stores first."""
    return [
        *(_engine(settings, kind, name) for kind, name in STORES.items()),
        *_beside(settings),
        *_connectors(settings),
    ]


STORES = {"database": "database_url", "files": "storage_url", "keys": "keys_url"}


def _engine(settings: Settings, kind: str, name: str) -> Place:
    scheme = settings.scheme(name)
    engine = ENGINES.get(scheme, scheme)
    address = settings.address(name)
    if address is None or scheme in {"sqlite", "file"}:
        return Place(kind, engine, None)
    parts = urlsplit(address)
    query = {key: values[0] for key, values in parse_qs(parts.query).items()}
    if scheme not in {"s3", "aws-kms"}:
        return Place(kind, engine, _elsewhere(parts.hostname))
    # The name of a key may be an ARN, which names a region too: arn:aws:kms:REGION:…
    named = parts.netloc.split(":")[3:4] if parts.netloc.startswith("arn:") else []
    region, endpoint = query.get("region") or next(iter(named), None), query.get("endpoint")
    host = urlsplit(endpoint).hostname if endpoint else None
    in_eea = region in AMAZON_IN_EEA if region and (endpoint is None or _amazons(host)) else None
    return Place(kind, engine, _elsewhere(host) if endpoint else "amazonaws.com", region, in_eea)


def _connectors(settings: Settings) -> Iterator[Place]:
    """Ticket systems: what is known there is told here, and links to files are written there."""
    for name, section in sorted(settings.connectors.items()):
        address = next((str(section[key]) for key in ("url", "domain") if section.get(key)), "")
        host = urlsplit(address).hostname if "//" in address else address or None
        yield Place("connector", f"{name} ({section.get('kind')})", _elsewhere(host))


def _beside(settings: Settings) -> Iterator[Place]:
    """What is not a store: each is there only where it is configured."""
    if settings.smtp_url is not None:
        yield Place("mail", "SMTP", _elsewhere(urlsplit(settings.smtp_url.get_secret_value()).hostname))
    if settings.mail.listen is not None and settings.mail.relay is not None:
        yield Place("mail", "SMTP", _elsewhere(urlsplit(settings.mail.relay.get_secret_value()).hostname))
    if settings.clamd_url is not None:
        yield Place("scanner", "ClamAV", _elsewhere(urlsplit(settings.clamd_url).hostname))
    if settings.audit_export is not None:
        yield Place("audit", "file", None)


def _elsewhere(host: str | None) -> str | None:
    """The host, where it is not this very machine."""
    if host is None or host == "localhost":
        return None
    try:
        return None if ip_address(host).is_loopback else host
    except ValueError:
        return host


def _amazons(host: str | None) -> bool:
    return host is not None and host.endswith((".amazonaws.com", ".amazonaws.eu"))
