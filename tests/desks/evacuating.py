"""An evacuation in a process of its own, from whatever stands in for a ticket system: killed by crash tests."""

from __future__ import annotations

import json
import os
from contextlib import ExitStack

from evacuation import evacuation_of
from installation import Site
from keys import Node
from service import reception_beside
from tests.desks.freshdesk import Freshdesk
from tickets.freshdesk_section import make

DESK = "TEST_DESK"
"""The variable with a connector's settings, as JSON."""
CONNECTOR = "fd"


def settings_of(desk: Freshdesk) -> dict[str, str]:
    """What such a process is told by its environment."""
    section = {
        "kind": "freshdesk",
        "url": desk.url,
        "token": desk.account.key,
        "prefix": "FD-",
        "allow_loopback": True,
        "allowed_hosts": ["localhost"],
        "rate": 1_000_000,
    }
    return {DESK: json.dumps(section)}


def evacuate(site: Site) -> None:
    """One run to its end; what it came to is printed."""
    desk = make(json.loads(os.environ[DESK])).desk
    assert desk is not None
    with ExitStack() as stack:
        reception = reception_beside(site, stack, Node(site.records, alone=not site.shared))
        report = evacuation_of(site, reception, CONNECTOR, desk, delete=True).run()
    print(json.dumps({"left": len(report.left), "waiting": report.waiting, "stopped": report.stopped}), flush=True)
