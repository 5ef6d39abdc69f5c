"""A policy as the configuration says it: read and checked, and written back as it is kept."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NoReturn
from zoneinfo import ZoneInfo

from domain.errors import Misconfigured
from retention.period import Period
from retention.rules import CUSTOMER, OTHER, Conditions, Ground, Rule
from retention.spans import DELETED, SPANS, AfterClosed, AfterContract, AfterDeleted, AfterLastActivity, AfterOpened

MOST_RULES = 100
_KEYS = {"time_zone", "customers", "others", "deleted", "rules", "hold_review"}
DELETED_KEPT = "P30D"
_CLASSES = {"customers": CUSTOMER, "others": OTHER}
_CONDITIONS = {
    "class": "classes",
    "channel": "channels",
    "connector": "connectors",
    "tag": "tags",
    "organisation": "organisations",
}
_FOLDED = {"channel", "tag"}
_NAME = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,62}[a-z0-9])?")
_DECISION = re.compile(r"[^\x00-\x1f\x7f-\x9f]{1,200}")


@dataclass(frozen=True, slots=True)
class Read:
    """What a configuration says."""

    rules: Sequence[Rule]
    zone: ZoneInfo
    hold_review: Period


def read(mapping: Mapping[str, Any]) -> Read:
    """The rules of ``[retention]``, those of the short form first. Raises Misconfigured with the key as ``field``."""
    for key in mapping:
        if key not in _KEYS:
            _wrong(f"retention.{key}", "there is no such setting")
    zone = _zone(mapping.get("time_zone", "UTC"))
    rules = [
        _short("customers", mapping.get("customers", "P1Y"), AfterContract.basis, _of_customers()),
        _short(
            "others",
            mapping.get("others", "P1Y"),
            AfterLastActivity.basis,
            [AfterLastActivity.basis, AfterClosed.basis, AfterOpened.basis],
        ),
        _deleted(mapping.get("deleted", DELETED_KEPT)),
    ]
    more = mapping.get("rules", [])
    if not isinstance(more, Sequence) or isinstance(more, str):
        _wrong("retention.rules", "a list of tables, each begun by [[retention.rules]]")
    if len(more) > MOST_RULES:
        _wrong("retention.rules", f"more than {MOST_RULES}")
    for number, one in enumerate(more, 1):
        rule = _rule(f"retention.rules[{number}]", one)
        if any(rule.name == other.name for other in rules):
            _wrong(f"retention.rules[{number}].name", f"there is another rule of the name {rule.name}")
        rules.append(rule)
    return Read(rules, zone, _period("retention.hold_review", mapping.get("hold_review", "P1Y")))


def written(rules: Sequence[Rule], zone: ZoneInfo) -> dict[str, Any]:
    """The configuration that ``read`` makes the same rules of; nothing in it that no date depends on."""
    document: dict[str, Any] = {"time_zone": zone.key}
    for rule in rules:
        said: dict[str, Any] = {"after": rule.span.basis}
        if rule.short and rule.conditions.standings is not None:
            if rule.span.period.text != DELETED_KEPT:
                document[rule.name] = rule.span.period.text
            continue
        if rule.short:
            said["period"] = rule.span.period.text
            if rule.ground is not _ground_of(rule.span.basis):
                said["ground"] = rule.ground.value
            document[rule.name] = said
            continue
        said |= {"name": rule.name, "keep": rule.span.period.text, "ground": rule.ground.value}
        if rule.decision is not None:
            said["decision"] = rule.decision
        for key, name in _CONDITIONS.items():
            words: frozenset[str] | None = getattr(rule.conditions, name)
            if words is not None:
                said[key] = sorted(words)
        document.setdefault("rules", []).append(said)
    return document


def _zone(name: Any) -> ZoneInfo:
    try:
        return ZoneInfo(name)
    except (KeyError, ValueError, OSError, TypeError, AttributeError) as error:  # all that zoneinfo raises
        raise Misconfigured("retention.time_zone: not an IANA time zone", field="retention.time_zone") from error


def _short(name: str, value: Any, basis: str, allowed: Sequence[str]) -> Rule:
    """A rule of the short form: a period, or ``{period, after, ground}``."""
    key = f"retention.{name}"
    ground: Ground | None = None
    if isinstance(value, Mapping):
        for word in value:
            if word not in {"period", "after", "ground"}:
                _wrong(f"{key}.{word}", "there is no such setting")
        basis = _one_of(f"{key}.after", value.get("after", basis), allowed)
        if "ground" in value:
            ground = Ground(_one_of(f"{key}.ground", value["ground"], [*Ground]))
        value = value.get("period", "P1Y")
    span = SPANS[basis](_period(key, value))
    conditions = Conditions(classes=frozenset({_CLASSES[name]}))
    return Rule(name, span, ground or _ground_of(basis), conditions, short=True)


def _of_customers() -> list[str]:
    return [basis for basis in SPANS if basis != AfterDeleted.basis]


def _deleted(value: Any) -> Rule:
    """The rule of what was deleted in its own system: a policy, so that law and contract keep it all the same."""
    span = AfterDeleted(_period("retention.deleted", value))
    return Rule("deleted", span, Ground.POLICY, Conditions(standings=DELETED), short=True)


def _ground_of(basis: str) -> Ground:
    return Ground.CONTRACT if basis == AfterContract.basis else Ground.POLICY


def _rule(key: str, said: Any) -> Rule:
    if not isinstance(said, Mapping):
        _wrong(key, "a table, begun by [[retention.rules]]")
    for word in said:
        if word not in {"name", "keep", "after", "ground", "decision", *_CONDITIONS}:
            _wrong(f"{key}.{word}", "there is no such setting")
    for word in ("name", "keep", "after", "ground"):
        if word not in said:
            _wrong(f"{key}.{word}", "is missing")
    name, decision = said["name"], said.get("decision")
    if not isinstance(name, str) or not _NAME.fullmatch(name):
        _wrong(f"{key}.name", "small letters, digits and hyphens, at most 64")
    if decision is not None and (not isinstance(decision, str) or not _DECISION.fullmatch(decision)):
        _wrong(f"{key}.decision", "one line of at most 200 characters")
    basis = _one_of(f"{key}.after", said["after"], [*SPANS])
    ground = Ground(_one_of(f"{key}.ground", said["ground"], [*Ground]))
    found: dict[str, Any] = {
        field: _words(f"{key}.{word}", said[word], word) for word, field in _CONDITIONS.items() if word in said
    }
    for word in found.get("classes", ()):
        _one_of(f"{key}.class", word, [CUSTOMER, OTHER])
    if basis == AfterContract.basis and found.setdefault("classes", frozenset({CUSTOMER})) != {CUSTOMER}:
        _wrong(f"{key}.class", "only a customer has a contract")
    return Rule(name, SPANS[basis](_period(f"{key}.keep", said["keep"])), ground, Conditions(**found), decision)


def _words(key: str, value: Any, word: str) -> frozenset[str]:
    values = [value] if isinstance(value, str) else value
    if not isinstance(values, Sequence) or not values or not all(isinstance(one, str) and one for one in values):
        _wrong(key, "a word, or a list of words")
    return frozenset(one.casefold() if word in _FOLDED else one for one in values)


def _period(key: str, value: Any) -> Period:
    if not isinstance(value, str):
        _wrong(key, "an ISO 8601 period such as P1Y")
    try:
        return Period.parse(value)
    except ValueError as error:
        raise Misconfigured(f"{key}: {error}", field=key) from error


def _one_of(key: str, value: Any, allowed: Sequence[str]) -> str:
    if not isinstance(value, str) or value not in allowed:
        _wrong(key, f"one of {', '.join(allowed)}")
    return str(value)


def _wrong(key: str, what: str) -> NoReturn:
    raise Misconfigured(f"{key}: {what}", field=key)
