"""Settings: parsed once, frozen, from a TOML file and ``BILAGA_*`` variables, the variables winning.

Nobody else reads the environment. Nested sections are spelt ``BILAGA_RETENTION__CUSTOMERS``; a secret may lie in a file
named by ``BILAGA_SMTP_URL_FILE``. An unknown name, in the file or the environment, stops the start: a setting that is
silently ignored is a promise that is silently broken.
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from datetime import timedelta
from ipaddress import IPv4Network, IPv6Network
from pathlib import Path
from typing import Annotated, Any, Literal
from urllib.parse import unquote, urlsplit

from pydantic import (
    BaseModel,
    BeforeValidator,
    ByteSize,
    ConfigDict,
    Field,
    SecretStr,
    TypeAdapter,
    ValidationError,
    field_validator,
    model_validator,
)

from domain.actor import BY_POLICY, Action, Role
from domain.errors import Misconfigured

PREFIX = "BILAGA_"
SECRETS = ("database_url", "keys_url", "keys_token", "smtp_url")
EMBEDDED = {"database_url": "sqlite", "storage_url": "file", "keys_url": "file"}
"""The engine of each address where none is given."""


def _listed(value: object) -> object:
    return [item.strip() for item in value.split(",") if item.strip()] if isinstance(value, str) else value


Listed = BeforeValidator(_listed)
Duration = Annotated[timedelta, Field(gt=timedelta(0))]
Network = IPv4Network | IPv6Network


class Section(BaseModel):
    """A part of the settings: unknown names are errors, values never change."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Policy(Section):
    """What the contract leaves to the site: actions added to a role, within ``domain.actor.BY_POLICY``."""

    agent: Annotated[frozenset[Action], Listed] = frozenset()
    admin: Annotated[frozenset[Action], Listed] = frozenset()

    @field_validator("agent", "admin")
    @classmethod
    def _within_policy(cls, value: frozenset[Action], info: Any) -> frozenset[Action]:
        allowed = BY_POLICY[Role(info.field_name)]
        if not value <= allowed:
            raise ValueError(f"only {', '.join(sorted(allowed))} can be added")
        return value


class LinkSettings(Section):
    """Defaults and limits of links; ISO 8601 durations."""

    upload_expires_in: Duration = timedelta(days=14)
    download_expires_in: Duration = timedelta(days=7)
    longest: Duration = timedelta(days=365)


class Rates(Section):
    """Requests a minute on links (S-49), a process; 0: no limit."""

    link: int = Field(default=600, ge=0)
    address: int = Field(default=1200, ge=0)


class MailDoor(Section):
    """Mail to tickets (docs/mail.md); ``listen`` None: no door."""

    listen: str | None = None
    domain: str | None = Field(default=None, pattern=r"^[A-Za-z0-9-]+(\.[A-Za-z0-9-]+)*$")
    relay: SecretStr | None = None
    relay_to: str | None = Field(default=None, pattern=r"^[!-;=?-~]+@[!-;=?A-~]+$")
    max_size: ByteSize = Field(default=ByteSize(2 << 30), ge=1 << 20, le=1 << 40)
    deliveries: int = Field(default=4, ge=1, le=256)
    picture_max: ByteSize = Field(default=ByteSize(128 << 10), le=8 << 20)
    whole_max: ByteSize = Field(default=ByteSize(64 << 20), ge=1 << 20, le=1 << 30)
    keep_whole: bool = False
    plain_addresses: bool = False
    closed_tickets: bool = False

    @model_validator(mode="after")
    def _complete(self) -> MailDoor:
        missing = [name for name in ("domain", "relay", "relay_to") if getattr(self, name) is None]
        if self.listen is not None and missing:
            raise ValueError(f"{missing[0]} is needed with listen")
        return self


class Operator(Section):
    """Who answers for this installation (GDPR, article 30); what is not said is shown as not stated.

    ``controllers``: on whose behalf the data is processed, where that is not the operator's own.
    """

    name: str | None = None
    contact: str | None = None
    dpo: str | None = None
    controllers: Annotated[tuple[str, ...], Listed] = ()


class Settings(Section):
    """The contract's settings, and a few more. Sizes take units (``20MiB``)."""

    data_dir: Path = Path("bilaga-data")
    public_url: str | None = None
    allowed_hosts: Annotated[tuple[str, ...], Listed] = ()
    database_url: SecretStr | None = None
    storage_url: str | None = None
    keys_url: SecretStr | None = None
    keys_token: SecretStr | None = None
    allowed_regions: Annotated[tuple[str, ...], Listed] = ()
    database_connections: int = Field(default=16, ge=2, le=256)
    clamd_url: str | None = None
    max_file_size: ByteSize = Field(default=ByteSize(100 << 30), gt=0, le=1 << 40)
    default_language: Literal["en", "sv", "nb", "da", "fi", "de"] = "en"
    trusted_proxies: Annotated[tuple[Network, ...], Listed] = ()
    monitor_from: Annotated[tuple[Network, ...], Listed] = (IPv4Network("127.0.0.0/8"), IPv6Network("::1/128"))
    verify_uploads: Literal["checksum", "readback"] = "checksum"
    refused_types: Annotated[tuple[str, ...] | None, Listed] = None
    space_reserve: ByteSize | None = None
    ticket_max_bytes: ByteSize | None = None
    organisation_max_bytes: ByteSize | None = None
    smtp_url: SecretStr | None = None
    mail_from: str | None = None
    audit_export: Path | None = None
    keys_horizon: Duration = timedelta(days=30)
    purge_every: Duration = timedelta(hours=1)
    transfers: int = Field(default=64, ge=1, le=1024)
    drain_seconds: float = Field(default=30, ge=0, le=3600)
    session_idle: Duration = timedelta(minutes=30)
    session_longest: Duration = timedelta(hours=12)
    log_level: Literal["debug", "info", "warning", "error"] = "info"
    policy: Policy = Policy()
    links: LinkSettings = LinkSettings()
    rates: Rates = Rates()
    mail: MailDoor = MailDoor()
    retention: dict[str, Any] = Field(default_factory=dict)
    connectors: dict[str, dict[str, Any]] = Field(default_factory=dict)
    """Ticket systems by name (docs/connectors.md); what is secret in a section is masked wherever it is shown."""

    @field_validator("connectors", mode="before")
    @classmethod
    def _connector_sections(cls, value: object) -> object:
        if not isinstance(value, dict) or not all(isinstance(one, dict) for one in value.values()):
            raise ValueError("must be sections [connectors.NAME]")
        return {name: guarded(section) for name, section in value.items()}

    operator: Operator = Operator()

    @field_validator("public_url")
    @classmethod
    def _plain_base(cls, value: str | None) -> str | None:
        if value is None:
            return None
        parts = urlsplit(value)
        if parts.scheme not in {"http", "https"} or not parts.hostname or parts.query or parts.fragment:
            raise ValueError("must be an http or https address without query or fragment")
        return value.rstrip("/")

    @property
    def granted(self) -> dict[Role, frozenset[Action]]:
        """What the site's policy adds, by role."""
        return {Role.AGENT: self.policy.agent, Role.ADMIN: self.policy.admin}

    def address(self, name: str) -> str | None:
        """An engine's address in clear; None: the embedded one in the data folder."""
        value: SecretStr | str | None = getattr(self, name)
        return value.get_secret_value() if isinstance(value, SecretStr) else value

    def scheme(self, name: str) -> str:
        """Which engine an address means."""
        value = self.address(name)
        return EMBEDDED[name] if value is None else urlsplit(value).scheme

    def path(self, name: str, default: str) -> Path:
        """Where an embedded engine's file or folder is. Raises Misconfigured for what is no absolute path."""
        value = self.address(name)
        if value is None:
            return self.data_dir / default
        parts = urlsplit(value)
        if parts.netloc or not parts.path.startswith("/") or parts.query or parts.fragment:
            raise Misconfigured(f"{name.upper()}: must be {EMBEDDED[name]}:/path", field=name.upper())
        return Path(unquote(parts.path))

    def shown(self) -> dict[str, Any]:
        """The effective settings as plain values, secrets masked, for ``bilaga config check``."""
        return self.model_dump(mode="json")


def guarded(section: Mapping[str, Any]) -> dict[str, Any]:
    """A connector's section, its secrets as such, read from where ``…_FILE`` names a file. Raises ValueError."""
    found: dict[str, Any] = {}
    for name, given in section.items():
        key, value = name.lower(), given
        if key.endswith("_file") and _is_secret(key.removesuffix("_file")):
            try:
                key, value = key.removesuffix("_file"), Path(value).read_text(encoding="utf-8").strip()
            except (OSError, TypeError) as error:
                raise ValueError(f"{name}: the file cannot be read") from error
        if _is_secret(key):
            found[key] = [SecretStr(str(one)) for one in value] if isinstance(value, list) else SecretStr(str(value))
        elif key == "every":
            found[key] = TypeAdapter(timedelta).validate_python(value)
        else:
            found[key] = str(value).lower() == "true" if str(value).lower() in {"true", "false"} else value
    return found


def in_clear(section: Mapping[str, Any]) -> dict[str, Any]:
    """A section with its secrets in clear, for whoever makes the connector of it."""

    def plain(value: Any) -> Any:
        if isinstance(value, SecretStr):
            return value.get_secret_value()
        return [plain(one) for one in value] if isinstance(value, list) else value

    return {name: plain(value) for name, value in section.items()}


def _is_secret(name: str) -> bool:
    return name in {"key", "token", "password", "secret"} or name.endswith(("_key", "_token", "_password", "_secret"))


def load(environment: Mapping[str, str], file: Path | None = None) -> Settings:
    """Settings from a TOML file, if any, and the environment. Raises Misconfigured with one line naming the setting."""
    values: dict[str, Any] = {}
    if file is not None:
        try:
            values = _lowered(tomllib.loads(file.read_text(encoding="utf-8")))
        except OSError as error:
            raise Misconfigured(f"{file}: {error.strerror}") from error
        except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
            raise Misconfigured(f"{file}: {error}") from error
    for name, value in environment.items():
        if name.startswith(PREFIX):
            _put(values, name[len(PREFIX) :].lower().split("__"), name, value)
    try:
        return Settings.model_validate(values)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        where = ".".join(str(part) for part in first["loc"]).upper()
        unknown = first["type"] == "extra_forbidden"
        raise Misconfigured(f"{where}: {'unknown setting' if unknown else first['msg']}", field=where) from error


def _lowered(values: dict[str, Any]) -> dict[str, Any]:
    return {name.lower(): _lowered(value) if isinstance(value, dict) else value for name, value in values.items()}


def _put(values: dict[str, Any], path: list[str], name: str, value: str) -> None:
    if len(path) == 1 and path[0].endswith("_file") and path[0].removesuffix("_file") in SECRETS:
        try:
            value = Path(value).read_text(encoding="utf-8").strip()
        except OSError as error:
            raise Misconfigured(f"{name}: {value}: {error.strerror}", field=name) from error
        path = [path[0].removesuffix("_file")]
    for part in path[:-1]:
        values = values.setdefault(part, {})
        if not isinstance(values, dict):
            raise Misconfigured(f"{name}: not a section", field=name)
    values[path[-1]] = value
