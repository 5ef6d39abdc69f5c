"""PostgreSQL, S3 on Ceph and a key manager for one site: what `make engines` starts, something new in each."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from contextlib import contextmanager

import psycopg

from tests.contract.blobs.buckets import SERVERS
from tests.contract.keyring.masters import new_moto, new_transit, told

MANAGERS = ("file", "openbao", "aws-kms")


@contextmanager
def big_engines(manager: str = "openbao") -> Iterator[dict[str, str]]:
    """Settings of a site on an empty database, an empty prefix of a bucket, and a master key of its own.

    ``manager`` "file": keys in the data folder, which the caller names.
    """
    url = told("TEST_POSTGRES_URL")
    database = f"bilaga_big_{secrets.token_hex(6)}"
    ceph = SERVERS["ceph"]
    settings = {
        "database_url": url.rpartition("/")[0] + f"/{database}",
        "storage_url": ceph.url(ceph.bucket("versioned"), f"big/{secrets.token_hex(8)}"),
    }
    if manager == "openbao":
        transit = new_transit()
        settings |= {"keys_url": transit.url, "keys_token": transit.token}
    elif manager == "aws-kms":
        settings |= {"keys_url": new_moto().url}
    with psycopg.connect(url, autocommit=True) as admin:
        admin.execute(f'CREATE DATABASE "{database}"')
        try:
            yield settings
        finally:
            admin.execute(f'DROP DATABASE "{database}" WITH (FORCE)')
            ceph.clear()
