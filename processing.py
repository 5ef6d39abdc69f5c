"""The record of processing (GDPR, article 30), from the settings and rules that are in force."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from installation import Site
from links import CODE_LIFE
from places import places
from settings import Operator
from subjects import Place, plain

ANSWERS_FOR = timedelta(hours=24)
"""How long the answer to a request with an idempotency key is kept (``web/idempotency.py``)."""
PURPOSES = ("receive", "keep sealed", "hand over", "erase", "prove")
SUBJECTS = ("requesters and people that files speak of", "recipients of links", "contacts, agents, administrators")
DATA = ("files and their names", "addresses, names, subjects", "links and downloads", "names, roles and acts")


@dataclass(frozen=True, slots=True)
class Limit:
    """How long a category is kept: by a retention rule in words, or for a length of time. ``ground``: law, contract, or
    policy, which is the operator's own choice; ``decision``: what it rests on."""

    category: str
    rule: str | None = None
    length: timedelta | None = None
    ground: str | None = None
    decision: str | None = None


@dataclass(frozen=True, slots=True)
class Measures:
    """Technical measures, as they are configured."""

    scanner: bool
    horizon: timedelta
    audit_export: bool
    readback: bool
    https: bool
    regions: Sequence[str]
    session_idle: timedelta
    purge_every: timedelta
    admins_read: bool


@dataclass(frozen=True, slots=True)
class Processing:
    """The record. ``outside``: places outside the European Economic Area, as far as can be told; ``unknown``: other
    machines of which it cannot."""

    installation: str
    operator: Operator
    places: Sequence[Place]
    limits: Sequence[Limit]
    measures: Measures

    @property
    def outside(self) -> list[Place]:
        return [one for one in self.places if one.in_eea is False]

    @property
    def unknown(self) -> list[Place]:
        return [one for one in self.places if one.in_eea is None and one.where is not None]


def processing_of(site: Site) -> Processing:
    """The record of a site."""
    settings, policy = site.settings, site.records.read(site.policies.current)
    return Processing(
        installation=site.ring.installation,
        operator=settings.operator,
        places=places(settings),
        limits=[
            *(Limit(rule.name, rule.words, ground=rule.ground.value, decision=rule.decision) for rule in policy.rules),
            Limit("links", length=settings.links.longest),
            Limit("mails", length=CODE_LIFE),
            Limit("answers", length=ANSWERS_FOR),
            Limit("sessions", length=settings.session_longest),
            Limit("backups", length=settings.keys_horizon),
        ],
        measures=Measures(
            scanner=settings.clamd_url is not None,
            horizon=settings.keys_horizon,
            audit_export=settings.audit_export is not None,
            readback=settings.verify_uploads == "readback",
            https=(settings.public_url or "").startswith("https://"),
            regions=settings.allowed_regions,
            session_idle=settings.session_idle,
            purge_every=settings.purge_every,
            admins_read=bool(settings.policy.admin),
        ),
    )


def as_plain(record: Processing) -> dict[str, Any]:
    """The record as JSON has it; lengths of time in seconds."""
    measures = {
        name: int(value.total_seconds()) if isinstance(value, timedelta) else value
        for name, value in plain(record.measures).items()
    }
    return {
        "installation": record.installation,
        "article": "30(2)" if record.operator.controllers else "30(1)",
        "operator": record.operator.model_dump(mode="json"),
        "purposes": PURPOSES,
        "subjects": SUBJECTS,
        "data": DATA,
        "places": plain(record.places),
        "outside_eea": plain(record.outside),
        "unknown_whether_outside": plain(record.unknown),
        "limits": [
            {
                "category": one.category,
                "rule": one.rule,
                "seconds": None if one.length is None else int(one.length.total_seconds()),
                "ground": one.ground,
                "decision": one.decision,
            }
            for one in record.limits
        ],
        "measures": measures,
    }
