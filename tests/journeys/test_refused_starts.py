"""An engine that will not do, at start: one clear line that names the setting, without a secret, and its exit code."""

from __future__ import annotations

import os
import secrets
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import psycopg
import pytest
from psycopg import sql

from tests.faults.shared import SharedSite, free_port

pytestmark = [
    pytest.mark.slow,
    pytest.mark.timeout(180),
    pytest.mark.xdist_group("refused-starts"),
    pytest.mark.embedded("stands on engines of its own"),
]
SECRET = "sesam-oeppna-dig"
WRONG, DOWN = 2, 75


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SharedSite]:
    with SharedSite(tmp_path_factory.mktemp("refused")) as made:
        yield made


def address(name: str, **changed: str) -> str:
    """An engine's address with something else in it."""
    parts = urlsplit(os.environ[name])
    netloc = changed.pop("netloc", parts.netloc)
    return parts._replace(netloc=netloc, **changed).geturl()


def postgres(account: str | None = None, port: int | None = None, database: str = "postgres") -> dict[str, str]:
    parts = urlsplit(os.environ["TEST_POSTGRES_URL"])
    who = account or f"{parts.username}:{parts.password}"
    netloc = f"{who}@{parts.hostname}:{port or parts.port}"
    return {"BILAGA_DATABASE_URL": address("TEST_POSTGRES_URL", netloc=netloc, path=f"/{database}")}


def s3(bucket: str, endpoint: str | None = None) -> dict[str, str]:
    where = endpoint or os.environ["TEST_CEPH_URL"]
    return {"BILAGA_STORAGE_URL": f"s3://{bucket}/blobs?endpoint={where}&region=us-east-1"}


def openbao(netloc: str | None = None, key: str = "no-such-key") -> dict[str, str]:
    return {"BILAGA_KEYS_URL": f"openbao://{netloc or urlsplit(os.environ['TEST_OPENBAO_URL']).netloc}/{key}?tls=off"}


def refused(site: SharedSite, settings: dict[str, str]) -> tuple[int, str]:
    """How a start with other settings ends, and its one line."""
    node = site.node(**settings)
    child = node.spawn("bilaga", argv=("serve", "--port", "0"))
    code = child.wait()
    said = child.out.read_text()
    errors = Path(f"{child.out}.err").read_text()
    assert said == "", said
    lines = [line for line in errors.splitlines() if not line.startswith("{")]
    assert len(lines) == 1, errors
    assert "Traceback" not in errors
    assert SECRET not in errors
    return code, lines[0]


def test_a_database_that_is_none(site: SharedSite) -> None:
    code, line = refused(site, {"BILAGA_DATABASE_URL": f"mysql://bilaga:{SECRET}@127.0.0.1/bilaga"})
    assert (code, "DATABASE_URL" in line) == (WRONG, True), line


def test_wrong_credentials_of_the_database(site: SharedSite) -> None:
    code, line = refused(site, postgres(account=f"bilaga:{SECRET}"))
    assert (code, "password" in line) == (WRONG, True), line


def test_a_database_that_does_not_exist(site: SharedSite) -> None:
    code, line = refused(site, postgres(database="no_such_database"))
    assert (code, "does not exist" in line) == (WRONG, True), line


def test_a_database_whose_port_is_closed(site: SharedSite) -> None:
    code, line = refused(site, postgres(port=free_port()))
    assert (code, "reached" in line) == (DOWN, True), line


def test_an_old_schema_names_the_command(site: SharedSite) -> None:
    name = f"bilaga-old-{secrets.token_hex(4)}"
    with psycopg.connect(os.environ["TEST_POSTGRES_URL"], autocommit=True) as database:
        database.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))
        try:
            code, line = refused(site, postgres(database=name))
        finally:
            database.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(name)))
    assert (code, "bilaga db upgrade" in line) == (WRONG, True), line


def test_a_bucket_that_does_not_exist(site: SharedSite) -> None:
    code, line = refused(site, s3("no-such-bucket"))
    assert (code, "no bucket" in line) == (WRONG, True), line


def test_wrong_credentials_of_the_store(site: SharedSite) -> None:
    code, line = refused(site, s3(site.bucket) | {"AWS_SECRET_ACCESS_KEY": SECRET})
    assert (code, "credentials" in line) == (WRONG, True), line


def test_an_address_of_a_store_that_is_none(site: SharedSite) -> None:
    code, line = refused(site, {"BILAGA_STORAGE_URL": f"s3://bilaga:{SECRET}@bucket/blobs"})
    assert (code, "STORAGE_URL" in line) == (WRONG, True), line


def test_a_store_whose_port_is_closed(site: SharedSite) -> None:
    code, line = refused(site, s3(site.bucket, f"http://127.0.0.1:{free_port()}"))
    assert code == DOWN, line


def test_a_key_that_does_not_exist(site: SharedSite) -> None:
    code, line = refused(site, openbao())
    assert (code, "KEYS_URL" in line) == (WRONG, True), line


def test_a_wrong_token_of_the_key_manager(site: SharedSite) -> None:
    code, line = refused(site, {"BILAGA_KEYS_TOKEN": SECRET})
    assert (code, "token" in line) == (WRONG, True), line


def test_an_address_of_a_key_manager_that_is_none(site: SharedSite) -> None:
    code, line = refused(site, {"BILAGA_KEYS_URL": f"openbao://{SECRET}@127.0.0.1/key"})
    assert (code, "KEYS_URL" in line) == (WRONG, True), line


def test_a_key_manager_whose_port_is_closed(site: SharedSite) -> None:
    code, line = refused(site, openbao(f"127.0.0.1:{free_port()}", site.bucket))
    assert code == DOWN, line
