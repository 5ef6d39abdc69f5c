"""Where the data is and to whom it goes, as far as settings tell."""

from __future__ import annotations

import pytest

from places import places
from settings import Settings
from subjects import Place


def test_the_embedded_default_is_all_on_this_machine():
    assert places(Settings()) == [
        Place("database", "SQLite", None),
        Place("files", "file", None),
        Place("keys", "file", None),
    ]


def test_elsewhere_is_named_without_credentials():
    found = places(
        Settings(
            database_url="postgresql://bilaga:hemligt@db.example/bilaga",
            storage_url="s3://bucket/x?endpoint=https://s3.example:9000&region=eu-north-1",
            keys_url="openbao://bao.example:8200/bilaga",
            smtp_url="smtp://user:hemligt@post.example",
            clamd_url="tcp://127.0.0.1:3310",
            audit_export="second.log",
        )
    )
    assert found == [
        Place("database", "PostgreSQL", "db.example"),
        Place("files", "S3", "s3.example", "eu-north-1"),
        Place("keys", "OpenBao", "bao.example"),
        Place("mail", "SMTP", "post.example"),
        Place("scanner", "ClamAV", None),
        Place("audit", "file", None),
    ]
    assert "hemligt" not in repr(found)


@pytest.mark.parametrize(
    ("region", "in_eea"),
    [("eu-north-1", True), ("eu-west-2", False), ("eu-central-2", False), ("us-east-1", False)],
)
def test_amazons_regions_are_in_the_eea_or_not(region, in_eea):
    store = next(one for one in places(Settings(storage_url=f"s3://bucket?region={region}")) if one.kind == "files")
    assert (store.where, store.region, store.in_eea) == ("amazonaws.com", region, in_eea)


def test_the_region_of_a_key_is_in_its_name_too():
    url = "aws-kms://arn:aws:kms:us-east-1:111122223333:key/1234"
    keys = next(one for one in places(Settings(keys_url=url)) if one.kind == "keys")
    assert (keys.region, keys.in_eea) == ("us-east-1", False)
