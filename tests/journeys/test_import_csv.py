"""Tickets and contracts out of a file, by the command."""

from __future__ import annotations

import pytest

from domain.actor import EVERYTHING
from tests.journeys.service import Service

pytestmark = [
    pytest.mark.slow,
    pytest.mark.embedded("commands beside no service; nothing here is an engine's business"),
]


def test_nothing_is_done_while_a_line_is_bad_and_the_good_ones_when_told(tmp_path):
    section = {"CONNECTORS__CRM__KIND": "generic", "CONNECTORS__CRM__PREFIX": "C-", "CONNECTORS__CRM__FIELDS__REF": "n"}
    site = Service(tmp_path, **section)
    (tmp_path / "tickets.csv").write_bytes("\ufeffref;status;organisation\n1;closed;Acme\n2;ajar;\n".encode())
    (tmp_path / "contracts.csv").write_text("ref,contract_ends_on\nAcme,2027-03-31\n")
    said = site.cli("connector", "import", "crm", "tickets.csv", code=5)
    assert said.startswith("line 3, status: ")
    site.cli("connector", "import", "crm", "tickets.csv", "--skip-bad", code=5)
    site.cli("connector", "import", "crm", "contracts.csv", "--kind", "organisations")
    with site.site() as opened:
        ticket, organisation, bad = opened.records.read(
            lambda unit: (
                unit.tickets.get("C-1", EVERYTHING),
                unit.organisations.get("Acme", EVERYTHING),
                unit.tickets.get("C-2", EVERYTHING),
            )
        )
    assert (ticket.status, ticket.organisation_id, bad) == ("closed", organisation.id, None)
    assert organisation.contract_ends_on.isoformat() == "2027-03-31"
