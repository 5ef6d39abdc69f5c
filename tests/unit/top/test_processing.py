"""The record of processing is made of what is configured, and of the rules in force."""

from __future__ import annotations

import pytest

from processing import as_plain, processing_of
from server import open_site
from settings import Settings
from web import Languages, Pages


@pytest.fixture
def made(tmp_path):
    """The record of a site with these settings."""

    def make(**settings):
        with open_site(Settings(data_dir=tmp_path / "site", **settings), serving=False) as site:
            return processing_of(site), site.clock()

    return make


def in_english(record, at) -> str:
    return Pages(Languages("en")).mail("processing.txt", Languages("en").default, record=record, at=at)


def test_what_is_not_said_is_not_stated(made):
    record, at = made()
    told = as_plain(record)
    assert told["article"] == "30(1)"
    assert told["operator"] == {"name": None, "contact": None, "dpo": None, "controllers": []}
    assert [place["kind"] for place in told["places"]] == ["database", "files", "keys"]
    assert (told["outside_eea"], told["unknown_whether_outside"]) == ([], [])
    assert [(one["category"], one["ground"]) for one in told["limits"][:2]] == [
        ("customers", "contract"),
        ("others", "policy"),
    ]
    assert told["measures"]["scanner"] is False
    text = in_english(record, at)
    assert "| Name | not stated |" in text
    assert "1 year after the last activity on the ticket" in text
    assert "| Files are scanned for malware | no |" in text
    assert "article 30(1)" in text


def test_what_is_configured_is_told(made):
    record, at = made(
        operator={"name": "Supporten AB", "controllers": "Kunden AB, Andra AB"},
        smtp_url="smtp://user:hemligt@post.example",
        mail_from="a@b.example",
        clamd_url="tcp://127.0.0.1:1",
        retention={
            "rules": [{"name": "bok", "keep": "P7Y", "after": "closed", "ground": "law", "decision": "BFL 7:2"}],
        },
        connectors={"desk": {"kind": "freshdesk", "domain": "kunden.freshdesk.example", "api_key": "hemligt"}},
    )
    told = as_plain(record)
    assert told["article"] == "30(2)"
    assert {place["where"] for place in told["places"]} == {None, "post.example", "kunden.freshdesk.example"}
    law = next(one for one in told["limits"] if one["category"] == "bok")
    assert (law["ground"], law["decision"]) == ("law", "BFL 7:2")
    text = in_english(record, at)
    for words in (
        "article 30(2)",
        "| On behalf of | Kunden AB; Andra AB |",
        "| The ticket system | desk (freshdesk), kunden.freshdesk.example |",
        "the configuration does not tell: The mail server (post.example); The ticket system (kunden.freshdesk.example)",
        "| bok | 7 years after the ticket was closed (kept under the law), BFL 7:2 |",
        "| Files are scanned for malware | yes |",
    ):
        assert words in text, words
    assert "hemligt" not in text + repr(told)
