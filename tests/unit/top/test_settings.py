"""Settings: from a file and the environment, whole or not at all."""

from __future__ import annotations

import json
from datetime import timedelta
from pathlib import Path

import pytest

from domain.actor import Action, Role
from domain.errors import Misconfigured
from settings import load


def test_a_site_needs_no_setting() -> None:
    settings = load({})
    assert settings.path("database_url", "records.sqlite") == Path("bilaga-data/records.sqlite")
    assert settings.granted == {Role.AGENT: frozenset(), Role.ADMIN: frozenset()}


def test_the_environment_wins_over_the_file(tmp_path: Path) -> None:
    file = tmp_path / "bilaga.toml"
    file.write_text('MAX_FILE_SIZE = "1 MiB"\npublic_url = "https://files.example/"\n[retention]\ncustomers = "P2Y"\n')
    settings = load({"BILAGA_MAX_FILE_SIZE": "2MiB", "BILAGA_RETENTION__OTHERS": "P3Y", "HOME": "/x"}, file)
    assert settings.max_file_size == 2 << 20
    assert settings.public_url == "https://files.example"
    assert settings.retention == {"customers": "P2Y", "others": "P3Y"}


def test_lists_durations_and_sections_are_spelt_in_one_line() -> None:
    settings = load(
        {
            "BILAGA_TRUSTED_PROXIES": "10.0.0.0/8, ::1",
            "BILAGA_POLICY__AGENT": "place-hold,erase-file",
            "BILAGA_KEYS_HORIZON": "P20D",
            "BILAGA_REFUSED_TYPES": ".exe",
        }
    )
    assert [str(network) for network in settings.trusted_proxies] == ["10.0.0.0/8", "::1/128"]
    assert settings.policy.agent == {Action.PLACE_HOLD, Action.ERASE_FILE}
    assert settings.keys_horizon == timedelta(days=20)
    assert settings.refused_types == (".exe",)


def test_a_secret_comes_from_a_file_and_is_never_shown(tmp_path: Path) -> None:
    secret = tmp_path / "smtp"
    secret.write_text("smtp://user:hunter2@mail.example\n")
    settings = load({"BILAGA_SMTP_URL_FILE": str(secret)})
    assert settings.smtp_url is not None
    assert settings.smtp_url.get_secret_value() == "smtp://user:hunter2@mail.example"
    assert "hunter2" not in json.dumps(settings.shown()) + repr(settings)


@pytest.mark.parametrize(
    ("environment", "named"),
    [
        ({"BILAGA_FOO": "1"}, "FOO"),
        ({"BILAGA_RATES__LINKS": "1"}, "RATES.LINKS"),
        ({"BILAGA_MAX_FILE_SIZE": "0"}, "MAX_FILE_SIZE"),
        ({"BILAGA_MAX_FILE_SIZE": "2TiB"}, "MAX_FILE_SIZE"),
        ({"BILAGA_PUBLIC_URL": "files.example"}, "PUBLIC_URL"),
        ({"BILAGA_PUBLIC_URL": "https://files.example/?a=b"}, "PUBLIC_URL"),
        ({"BILAGA_DEFAULT_LANGUAGE": "xx"}, "DEFAULT_LANGUAGE"),
        ({"BILAGA_POLICY__AGENT": "purge"}, "POLICY.AGENT"),
        ({"BILAGA_KEYS_HORIZON": "-P1D"}, "KEYS_HORIZON"),
        ({"BILAGA_TRUSTED_PROXIES": "everyone"}, "TRUSTED_PROXIES"),
        ({"BILAGA_SMTP_URL_FILE": "/nowhere/at/all"}, "SMTP_URL_FILE"),
        ({"BILAGA_DATA_DIR": "x", "BILAGA_DATA_DIR__X": "y"}, "DATA_DIR"),
        ({"BILAGA_MAIL__LISTEN": "lmtp://127.0.0.1:24"}, "domain is needed with listen"),
        ({"BILAGA_MAIL__LISTENS": "lmtp://127.0.0.1:24"}, "MAIL.LISTENS"),
        ({"BILAGA_MAIL__DOMAIN": "@files.example"}, "MAIL.DOMAIN"),
        ({"BILAGA_MAIL__RELAY_TO": "the desk"}, "MAIL.RELAY_TO"),
        ({"BILAGA_MAIL__RELAY_TO": "desk@desk.example\r\nRCPT TO:<x@y>"}, "MAIL.RELAY_TO"),
    ],
)
def test_a_wrong_setting_is_one_line_that_names_it(environment: dict[str, str], named: str) -> None:
    with pytest.raises(Misconfigured) as refused:
        load(environment)
    assert named in refused.value.detail
    assert "\n" not in refused.value.detail


@pytest.mark.parametrize("text", ["data_dir = ", "[rates]\nlinks = 1", "\xff"])
def test_a_wrong_file_is_one_line_too(tmp_path: Path, text: str) -> None:
    file = tmp_path / "bilaga.toml"
    file.write_text(text, encoding="latin-1")
    with pytest.raises(Misconfigured) as refused:
        load({}, file)
    assert "\n" not in refused.value.detail


@pytest.mark.parametrize("url", ["sqlite://host/x", "sqlite:", "sqlite:x", "sqlite:/x?mode=ro"])
def test_an_embedded_engine_has_a_path_and_nothing_else(url: str) -> None:
    with pytest.raises(Misconfigured, match="DATABASE_URL"):
        load({"BILAGA_DATABASE_URL": url}).path("database_url", "x")


def test_the_scheme_of_an_address_tells_its_engine() -> None:
    settings = load({"BILAGA_KEYS_URL": "openbao://127.0.0.1:8200/bilaga"})
    assert [settings.scheme(name) for name in ("database_url", "storage_url", "keys_url")] == [
        "sqlite",
        "file",
        "openbao",
    ]
