"""``[connectors.NAME]`` with ``kind = "freshdesk"``: what its settings make."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from typing import Any

from tickets.connectors import Made
from tickets.freshdesk import Freshdesk, FreshdeskSettings
from tickets.freshdesk_hook import HEADER, FreshdeskHook
from tickets.freshdesk_pace import Pace
from tickets.section import Section

HOSTS = ("*.freshdesk.com", "*.freshworks.com", "s3*.amazonaws.com", "*.s3*.amazonaws.com")
"""Where Freshdesk keeps attachments."""


def make(section: Mapping[str, Any]) -> Made:
    """Settings beside those of every kind: ``url`` (``https://NAME.freshdesk.com``), ``token`` (an agent's API key),
    ``organisation``, ``contract_field``, ``statuses``, ``rate`` (calls a minute; else half of what the account has),
    ``webhook_header``. Raises Misconfigured."""
    said = Section(section)
    token = said.text("token")
    # The API key is the user; the password may be anything.
    authorization = "Basic " + base64.b64encode(f"{token}:X".encode()).decode()
    outgoing = said.outgoing({"Authorization": authorization}, hosts=HOSTS)
    settings = FreshdeskSettings(
        prefix=said.prefix(),
        organisation=said.text("organisation", "id"),
        contract_field=said.text("contract_field", "renewal_date"),
        statuses=said.statuses({}),
    )
    rate = said.number("rate")
    secrets, header = said.secrets(), said.text("webhook_header", HEADER)
    said.done()

    def recipe(address: str, secret: str) -> str:
        return RECIPE.format(address=address, header=header, secret=secret)

    return Made(
        desk=Freshdesk(settings, outgoing, Pace(None if rate is None else max(int(rate), 1))),
        hook=FreshdeskHook(secrets, header) if secrets else None,
        recipe=recipe,
    )


RECIPE = """\
Admin > Workflows > Automations, once under "Ticket creation" and once under "Ticket updates" (any event, any ticket):
  action          Trigger webhook
  request type    POST
  URL             {address}
  custom headers  {header}: {secret}
  encoding        JSON
  content         Advanced:
{{"ticket_id":"{{{{ticket.id}}}}"}}
Send nothing else: what people write breaks the JSON, and Bilaga reads the rest by the API.
"""
