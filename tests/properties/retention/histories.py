"""Random histories of tickets: what happens to one, by whom it is told, and the site's rules in the meantime."""

from __future__ import annotations

import random
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from typing import Any

Facts = dict[str, Any]
ZONES = [
    "UTC", "Europe/Stockholm", "America/New_York", "America/Sao_Paulo", "Asia/Beirut", "Asia/Kathmandu",
    "Australia/Lord_Howe", "Pacific/Apia", "Pacific/Auckland", "America/St_Johns",
]  # fmt: skip
EDGES = [
    date(2024, 2, 29), date(2023, 2, 28), date(2026, 1, 31), date(2000, 2, 29), date(2027, 12, 31), date(2011, 12, 29),
    date(2022, 3, 25), date(2018, 11, 3), date(2026, 3, 28), date(2026, 10, 25), date(2025, 10, 26),
]  # fmt: skip
TAGS = ["invoice", "Order", "vip"]
CHANNELS = ["web", "Phone", "mail"]
CONNECTORS = ["desk", "rt"]


def a_period(pick: random.Random) -> str:
    parts = [
        (pick.choice([0, 0, 1, 2, 7]), "Y"),
        (pick.choice([0, 0, 1, 5, 18]), "M"),
        (pick.choice([0, 0, 3, 90]), "D"),
    ]
    text = "".join(f"{number}{unit}" for number, unit in parts if number)
    return f"P{text}" if text else pick.choice(["P1Y", "P2W", "P12M"])


def a_day(pick: random.Random) -> date:
    if pick.random() < 0.4:
        return pick.choice(EDGES)
    return date(1995, 1, 1) + timedelta(days=pick.randrange(365 * 45))


def an_instant(pick: random.Random) -> datetime:
    """Often in the hours in which clocks are changed somewhere; to the microsecond."""
    hour = pick.choice([0, 1, 2, 3, 4, 10, 15, 22, 23])
    minute = pick.choice([0, 15, 30, pick.randrange(60)])
    day = a_day(pick)
    return datetime(day.year, day.month, day.day, hour, minute, tzinfo=UTC) + timedelta(
        microseconds=pick.choice([0, 7])
    )


def a_config(pick: random.Random, refs: list[str], *, connectors: bool = True) -> Facts:
    """``mapping`` is what the site's configuration says, ``all`` the same as a list of like rules for the oracle."""
    customers, others = a_period(pick), a_period(pick)
    after = pick.choice(["contract"] * 4 + ["last-activity", "closed"])
    other_after = pick.choice(["last-activity", "last-activity", "closed", "opened"])
    every: list[Facts] = [
        {"name": "customers", "keep": customers, "after": after, "class": ["customer"],
         "ground": "contract" if after == "contract" else "policy"},
        {"name": "others", "keep": others, "after": other_after, "class": ["other"], "ground": "policy"},
    ]  # fmt: skip
    rules = []
    for number in range(pick.choice([0, 1, 2, 5])):
        rule: Facts = {
            "name": f"rule-{number}", "keep": a_period(pick),
            "ground": pick.choice(["law", "contract", "policy", "policy"]),
            "after": pick.choice(["last-activity", "closed", "opened", "contract"]),
        }  # fmt: skip
        words = [("tag", TAGS), ("channel", CHANNELS), ("organisation", refs), ("class", ["customer", "other"])]
        for key, choice in words + [("connector", CONNECTORS)] * connectors:
            if pick.random() < 0.25:
                rule[key] = pick.sample(choice, pick.choice([1, 2]))
        if rule["after"] == "contract":
            rule["class"] = ["customer"]
        rules.append(rule)
    zone = pick.choice(ZONES)
    mapping = {
        "time_zone": zone, "rules": [dict(rule) for rule in rules],
        "customers": customers if after == "contract" else {"period": customers, "after": after},
        "others": others if other_after == "last-activity" else {"period": others, "after": other_after},
    }  # fmt: skip
    return {"time_zone": zone, "all": every + rules, "mapping": mapping}


def in_zone(config: Facts, zone: str) -> Facts:
    """The same rules in another zone."""
    return {**config, "time_zone": zone, "mapping": {**config["mapping"], "time_zone": zone}}


class World:
    """What is known at a moment of a history; ``happen`` lets something happen, and says what."""

    def __init__(self, pick: random.Random, refs: list[str], *, connectors: bool = True) -> None:
        self._pick = pick
        self._refs = refs
        self._connectors = connectors
        active = an_instant(pick)
        self.ticket: Facts = {
            "active": active, "opened": pick.choice([None, active]), "closed": None, "organisation": None,
            "channel": pick.choice([None, *CHANNELS]), "connector": None, "tags": [],
        }  # fmt: skip
        self.contracts: dict[str, date | None] = dict.fromkeys(refs)
        self.holds: set[str] = set()
        """What is held: ``ticket``, or an organisation."""

    @property
    def held(self) -> bool:
        return "ticket" in self.holds or self.ticket["organisation"] in self.holds

    def happen(self) -> str:
        happenings: list[Callable[[], str]] = [
            self._activity, self._close, self._reopen, self._move, self._contract, self._contract, self._hold,
            self._sort,
        ]  # fmt: skip
        return self._pick.choice(happenings)()

    def _activity(self) -> str:
        self.ticket["active"] = an_instant(self._pick)
        return "ticket"

    def _close(self) -> str:
        self.ticket["closed"] = an_instant(self._pick)
        return "ticket"

    def _reopen(self) -> str:
        self.ticket["closed"] = None
        return "ticket"

    def _move(self) -> str:
        self.ticket["organisation"] = self._pick.choice([None, *self._refs])
        return "ticket"

    def _sort(self) -> str:
        pick = self._pick
        self.ticket["tags"] = pick.sample(TAGS, pick.randrange(3))
        self.ticket["channel"] = pick.choice([None, *CHANNELS])
        self.ticket["opened"] = pick.choice([None, an_instant(pick)])
        if self._connectors:
            self.ticket["connector"] = pick.choice([None, *CONNECTORS])
        return "ticket"

    def _contract(self) -> str:
        ref = self._pick.choice(self._refs)
        self.contracts[ref] = self._pick.choice([None, date(9999, 12, 31), *(a_day(self._pick) for _ in range(4))])
        return ref

    def _hold(self) -> str:
        what = self._pick.choice(["ticket", *self._refs])
        self.holds ^= {what}
        return f"hold {what}"
