"""A policy that would erase sooner, from its configuration to its two people; holds that wait for somebody's review."""

from __future__ import annotations

import json
from datetime import date, timedelta
from pathlib import Path

import pytest

from tests.journeys.service import Client, Service

API = "/api/v1"


def administrator(service: Service, name: str) -> Client:
    token = service.cli("apikey", "create", "--role", "admin", "--name", name)
    service.secrets.add(token)
    return Client(service, {"Authorization": f"Bearer {token}"})


def test_a_policy_that_erases_sooner_is_proposed_by_one_and_confirmed_by_another(tmp_path: Path) -> None:
    service = Service(tmp_path).start()
    service.put_ticket("P-1", tags=["invoice", "VIP"])
    attachment = service.attach("P-1")
    anna, berit = administrator(service, "Anna"), administrator(service, "Berit")
    service.put_ticket("P-2")
    before = anna.get(f"{API}/attachments/{attachment}/retention").json()
    assert (before["facts"]["rule"], before["facts"]["ground"]) == ("others", "policy")
    service.stop()

    service.environment["BILAGA_RETENTION__OTHERS"] = "P30D"
    service.start()
    assert '"retention policy unconfirmed"' in service.log()
    assert service.anyone.get("/readyz").json()["retention_policy"] == "unconfirmed"
    assert "bilaga_retention_policy_unconfirmed 1.0" in anna.get("/metrics").text
    assert anna.get(f"{API}/attachments/{attachment}/retention").json() == before
    (listed,) = [json.loads(line) for line in service.cli("retention", "preview", "--json").splitlines()]
    assert (listed["attachment"], listed["ticket"], listed["goes_now"]) == (attachment, "P-1", False)
    assert listed["due_before"] == before["due_at"]
    assert listed["rule_after"] == "P30D after last_activity_at"
    due = date.fromisoformat(before["due_at"][:10])
    assert f"{attachment}  P-1  " in service.cli(
        "retention", "preview", "--now", f"{due - timedelta(days=9)}T00:00:00Z"
    )
    shown = json.loads(service.cli("retention", "show", "--json"))
    assert (shown["followed"], shown["proposal"]) == (False, None)

    service.cli("retention", "propose", "--by", "Cecilia", code=1)
    proposal = service.cli("retention", "propose", "--by", "Anna")
    assert service.cli("retention", "show").splitlines()[-1].startswith(f"waits for a second person: {proposal}")
    service.cli("retention", "confirm", proposal, "--by", "Anna", code=1)
    assert anna.post(f"{API}/retention/policy/confirm", json_body={"proposal": proposal}).status == 403
    assert berit.get(f"{API}/retention/policy").json()["proposal"]["id"] == proposal
    confirmed = berit.post(f"{API}/retention/policy/confirm", json_body={"proposal": proposal})
    assert (confirmed.status, confirmed.json()["followed"]) == (200, True)
    assert berit.post(f"{API}/retention/policy/confirm", json_body={"proposal": proposal}).status == 409

    after = anna.get(f"{API}/attachments/{attachment}/retention").json()
    assert date.fromisoformat(after["due_at"][:10]) < due
    assert service.anyone.get("/readyz").json()["retention_policy"] == "in force"
    service.cli("purge")  # keeps the dates as well
    assert anna.get(f"{API}/tickets/P-1").json()["retention"]["purge_due_at"] == after["due_at"]
    assert service.cli("retention", "preview") == ""
    service.stop()


def test_a_hold_whose_review_has_passed_is_listed_and_keeps_what_it_keeps(tmp_path: Path) -> None:
    service = Service(tmp_path).start()
    service.put_ticket("H-1", organisation="acme")
    service.put_ticket("H-2")
    admin = service.as_("admin")
    held = {"reason": "tvist 12/26", "review_on": "2020-02-03"}
    assert admin.put(f"{API}/organisations/acme/hold", json_body=held).status == 201
    assert admin.put(f"{API}/tickets/H-2/hold", json_body={"reason": "tvist"}).json()["review_on"] is not None
    answer = admin.get(f"{API}/holds?limit=1").json()
    (first,) = answer["holds"]
    assert (first["on"], first["ref"], first["reason"], first["overdue"]) == (
        "organisation",
        "acme",
        "tvist 12/26",
        True,
    )
    (second,) = admin.get(f"{API}/holds?limit=1&cursor={answer['next_cursor']}").json()["holds"]
    assert (second["ref"], second["overdue"]) == ("H-2", False)
    overdue = admin.get(f"{API}/holds?review_before={date.today()}").json()["holds"]  # noqa: DTZ011
    assert [one["ref"] for one in overdue] == ["acme"]
    assert admin.get(f"{API}/holds?cursor=x").status == 400
    assert "bilaga_holds_overdue 1.0" in admin.get("/metrics").text
    lines = service.cli("hold", "list").splitlines()
    assert [line.endswith("OVERDUE") for line in lines] == [True, False]
    assert "organisation acme" in lines[0]
    assert len(service.cli("hold", "list", "--review-before", "2021-01-01").splitlines()) == 1
    service.put_ticket("H-3", organisation="acme")
    assert admin.get(f"{API}/tickets/H-3").json()["retention"]["held"] is True
    service.stop()


@pytest.mark.parametrize("tags", [["x"] * 51, ["a\x00b"], ["x" * 300], "x", [1]])
def test_tags_are_short_plain_words(service: Service, tags: object) -> None:
    answer = service.as_("agent").put(f"{API}/tickets/G-1", json_body={"status": "open", "tags": tags})
    assert answer.status == 400


def test_tags_replace_tags_and_stay_where_nothing_is_said(service: Service) -> None:
    assert service.put_ticket("G-2", tags=["b", "a", "a", " "])["tags"] == ["a", "b"]
    assert service.put_ticket("G-2")["tags"] == ["a", "b"]
    assert service.put_ticket("G-2", tags=None)["tags"] == []
    service.cli("ticket", "put", "G-2", "--tag", "x", "--tag", "å b")
    assert service.put_ticket("G-2")["tags"] == ["x", "å b"]
