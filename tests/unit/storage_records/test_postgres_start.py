"""What stops the start on PostgreSQL: each in one clear line, and never the password (S-15)."""

from __future__ import annotations

import re
import socket
from dataclasses import replace
from functools import partial
from pathlib import Path
from urllib.parse import urlsplit

import psycopg
import pytest

from domain.errors import BadInput, BilagaError, Misconfigured, RecordsUnavailable, SchemaOld
from storage.records.postgres import PostgresRecords, upgrade
from storage.records.postgres_engine import Server
from tests.contract.records.given import an_organisation

SECRET = "p4ssw0rd-of-this-test"
MANUAL = Path(__file__).parents[3] / "docs" / "postgresql.md"
GOOD = Server(150003, "on", "on", "on", "UTF8", is_standby=False)


def with_account(url: str, account: str) -> str:
    parts = urlsplit(url)
    return parts._replace(netloc=f"{account}@{parts.hostname}:{parts.port}").geturl()


def refused(url: str) -> BilagaError:
    """What both ways in say, in one line."""
    said = []
    for enter in (PostgresRecords, upgrade):
        with pytest.raises(BilagaError) as caught:
            enter(url)
        said.append(caught.value)
    assert type(said[0]) is type(said[1])
    for error in said:
        assert "\n" not in error.detail
        for one in (error, error.__cause__, error.__context__):
            assert SECRET not in str(one)
    return said[0]


@pytest.mark.parametrize(
    "url",
    [
        f"mysql://bilaga:{SECRET}@127.0.0.1/bilaga",
        f"postgresql://bilaga:{SECRET}@127.0.0.1:port/bilaga",
        f"postgresql:/bilaga:{SECRET}@127.0.0.1/bilaga",
        f"postgresql://bilaga:{SECRET}@127.0.0.1/bilaga?no_such_parameter=1",
        f"postgresql://bilaga:{SECRET}@127.0.0.1/bilaga?sslmode=perhaps",
        f"postgresql://bilaga:{SECRET}%zz@127.0.0.1/bilaga",
    ],
)
def test_an_address_that_is_none_is_misconfigured(url):
    assert isinstance(refused(url), Misconfigured)


def test_a_wrong_password_is_misconfigured(url):
    error = refused(with_account(url, f"bilaga:{SECRET}"))
    assert isinstance(error, Misconfigured)
    assert "password authentication failed" in error.detail


def test_a_role_that_is_not_there_is_misconfigured(url):
    error = refused(with_account(url, f"nobody_here:{SECRET}"))
    assert isinstance(error, Misconfigured)
    assert "nobody_here" in error.detail


def test_a_database_that_is_not_there_is_misconfigured(url):
    error = refused(urlsplit(url)._replace(path="/no_such_database").geturl())
    assert isinstance(error, Misconfigured)
    assert 'database "no_such_database" does not exist' in error.detail


def test_tls_that_the_server_does_not_speak_is_misconfigured_where_it_is_demanded(url):
    error = refused(url + "?sslmode=require")
    assert isinstance(error, Misconfigured)
    assert "SSL" in error.detail


def test_a_server_that_is_down_is_unavailable_and_no_mistake(url):
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))  # taken, and nobody listens
        error = refused(f"postgresql://bilaga:{SECRET}@127.0.0.1:{closed.getsockname()[1]}/bilaga")
    assert isinstance(error, RecordsUnavailable)


def test_a_database_without_our_schema_is_refused_with_the_command_that_makes_it(databases):
    with databases.new("template0") as url:
        with pytest.raises(SchemaOld, match="bilaga db upgrade"):
            PostgresRecords(url)
        with psycopg.connect(url) as person:
            assert person.execute("SELECT count(*) FROM pg_tables WHERE schemaname = 'public'").fetchone() == (0,)
        assert upgrade(url) is True
        PostgresRecords(url).close()


def test_an_older_schema_is_refused_with_the_command_that_migrates_it(url, person):
    person.execute("DELETE FROM schema_version")
    with pytest.raises(SchemaOld, match="bilaga db upgrade"):
        PostgresRecords(url)


def test_a_newer_schema_is_refused_by_both(url, person):
    person.execute("UPDATE schema_version SET version_num = '9999'")
    with pytest.raises(SchemaOld, match="newer"):
        PostgresRecords(url)
    with pytest.raises(Misconfigured, match="newer"):
        upgrade(url)
    assert person.execute("SELECT version_num FROM schema_version").fetchone() == ("9999",)


def test_ping_tells_when_the_schema_went_on_under_a_running_service(records, person):
    records.ping()
    person.execute("UPDATE schema_version SET version_num = '9999'")
    with pytest.raises(SchemaOld):
        records.ping()


@pytest.mark.parametrize("value", ["off", "local", "remote_write"])
def test_a_commit_that_would_not_be_durable_is_refused(url, person, value):
    (name,) = person.execute("SELECT current_database()").fetchone()
    person.execute(f"ALTER DATABASE {name} SET synchronous_commit = {value}")
    error = refused(url)
    assert isinstance(error, Misconfigured)
    assert f"synchronous_commit={value}" in error.detail


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"fsync": "off"}, "fsync=off"),
        ({"full_page_writes": "off"}, "full_page_writes=off"),
        ({"synchronous_commit": "local"}, "synchronous_commit=local"),
        ({"version": 120012}, "13 or newer is needed, not 12"),
        ({"encoding": "SQL_ASCII"}, "UTF8"),
    ],
)
def test_a_server_that_is_not_as_it_must_be_is_refused_by_name(changed, said):
    with pytest.raises(Misconfigured, match=said):
        replace(GOOD, **changed).check()


@pytest.mark.parametrize("changed", [{}, {"synchronous_commit": "remote_apply"}, {"version": 130000}])
def test_a_server_as_it_must_be_passes(changed):
    replace(GOOD, **changed).check()


def test_a_standby_is_unavailable_since_it_may_be_promoted():
    with pytest.raises(RecordsUnavailable, match="standby"):
        replace(GOOD, is_standby=True).check()


def test_both_names_of_the_scheme_and_a_parameter_of_libpq_are_taken(url):
    other = url.replace("postgresql://", "postgres://") + "?application_name=elsewhere&target_session_attrs=read-write"
    made = PostgresRecords(other)
    made.ping()
    made.close()


def test_a_role_without_the_right_to_make_tables_is_told(databases):
    with databases.new("template0") as url, psycopg.connect(url, autocommit=True) as person:
        role = f"poor_{urlsplit(url).path[-6:]}"
        person.execute(f"CREATE ROLE {role} LOGIN PASSWORD '{SECRET}'")
        try:
            person.execute("REVOKE CREATE ON SCHEMA public FROM public")
            with pytest.raises(Misconfigured, match="permission denied for schema public"):
                upgrade(with_account(url, f"{role}:{SECRET}"))
        finally:
            person.execute(f"DROP OWNED BY {role}; DROP ROLE {role}")


def test_the_service_needs_no_more_rights_than_the_manual_gives_it(url, person):
    """With them nobody can take the journal's guards away."""
    (statements,) = re.findall(r"```sql\n(.*?)```", MANUAL.read_text(), re.DOTALL)
    role = f"serving_{urlsplit(url).path[-6:]}"
    person.execute(statements.replace("bilaga_serve", role).replace("'PASSWORD'", f"'{SECRET}'"))
    try:
        made = PostgresRecords(with_account(url, f"{role}:{SECRET}"))
        made.write(lambda unit: unit.organisations.put(an_organisation(1)))
        made.ping()
        made.tidy()
        for statement in (
            "DROP TRIGGER journal_entries_keep ON journal_entries",
            "TRUNCATE journal_entries",
            "UPDATE journal_entries SET kind = 'x'",
            "DELETE FROM journal_checkpoints",
            "DELETE FROM schema_version",
        ):
            with pytest.raises(Exception, match=r"must be owner|permission denied"):
                made.write(partial(_execute, statement=statement))
        made.close()
    finally:
        person.execute(f"DROP OWNED BY {role}; DROP ROLE {role}")


@pytest.mark.parametrize("ref", ["a\0b", "lone \ud800 surrogate"])
def test_a_text_that_cannot_be_kept_is_bad_input_both_ways(records, ref):
    with pytest.raises(BadInput):
        records.write(lambda unit: unit.organisations.put(replace(an_organisation(1), ref=ref)))
    with pytest.raises(BadInput):
        records.write(lambda unit: unit.site.get(ref))
    with pytest.raises(BadInput):
        records.read(lambda unit: unit.site.get(ref))


def test_a_text_that_is_too_long_is_bad_input(records):
    with pytest.raises(BadInput):
        records.write(lambda unit: unit.site.put("x" * 65, "1"))


def _execute(unit, statement: str) -> None:
    unit.site._connection.exec_driver_sql(statement)
