"""0006 finds the policy that a site has followed so far, and gives every hold a day of review."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
from alembic import command

from retention import Policy
from storage.records import pragmas
from storage.records.upgrade import HEAD, configuration, upgrade


def old(path: Path, said: str | None) -> None:
    """A site as the version before 0006 left it."""
    engine = pragmas.engine(path, writing=True, connections=1, busy_seconds=5)
    with engine.connect() as connection:
        command.upgrade(configuration(connection), "0005")
        connection.commit()
    engine.dispose()
    with closing(sqlite3.connect(path)) as driver, driver:
        if said is not None:
            driver.execute("INSERT INTO site VALUES ('retention.policy', ?)", (said,))
        driver.execute("INSERT INTO organisations VALUES ('o', 'acme', NULL, NULL, 0, 0)")
        for hold_id, day, released in (("h1", None, 5), ("h2", "2031-05-04", 5), ("h3", None, None)):
            driver.execute(
                "INSERT INTO holds (id, organisation_id, reason_sealed, review_on, placed_at, released_at)"
                " VALUES (?, 'o', x'00', ?, 1700000000000000, ?)",
                (hold_id, day, released),
            )


@pytest.mark.parametrize(
    "mapping",
    [
        {},
        {"time_zone": "Europe/Stockholm", "others": "P18M"},
        {"customers": {"period": "P2Y", "after": "last-activity"}, "others": {"period": "P90D", "after": "closed"}},
    ],
)
def test_the_policy_that_was_followed_stays_in_force(tmp_path, mapping):
    path = tmp_path / "records.sqlite"
    policy = Policy.from_mapping(mapping)
    old(path, policy.fingerprint)
    upgrade(path)
    with closing(sqlite3.connect(path)) as driver:
        ((document, fingerprint, state),) = driver.execute(
            "SELECT document, fingerprint, state FROM retention_policies"
        )
        assert (fingerprint, state) == (policy.fingerprint, "effective")
        kept = Policy.from_document(document)
        assert (kept.rules, kept.zone, kept.fingerprint) == (policy.rules, policy.zone, policy.fingerprint)
        days = dict(driver.execute("SELECT id, review_on FROM holds"))
        assert days == {"h1": "2024-11-13", "h2": "2031-05-04", "h3": "2024-11-13"}
        assert driver.execute("SELECT version_num FROM schema_version").fetchone() == (HEAD,)


def test_a_site_that_never_followed_any_has_none(tmp_path):
    path = tmp_path / "records.sqlite"
    old(path, None)
    upgrade(path)
    with closing(sqlite3.connect(path)) as driver:
        assert driver.execute("SELECT count(*) FROM retention_policies").fetchone() == (0,)
