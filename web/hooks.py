"""``POST /hooks/{connector}``: what ticket systems call us with; answered once it is durable, and never in detail."""

from __future__ import annotations

import logging

from aiohttp import web

from domain.errors import LoginRequired
from web import bodies
from web.services import SERVICES

log = logging.getLogger(__name__)


async def post_hook(request: web.Request) -> web.Response:
    """204 once a hint is written down; 401 for a bad or missing signature or secret, whatever else there is to say."""
    services = request.app[SERVICES]
    services.rates.hit("address", services.addresses.client(request))
    name = request.match_info["connector"]
    raw = await bodies.read(request)
    headers = {field.lower(): value for field, value in request.headers.items()}
    try:
        await services.hop.call(services.hooks.take, name, headers, raw)
    except LoginRequired as error:
        # Not the connector's name: whoever knocks here may say anything (S-82).
        log.warning("webhook refused")
        raise LoginRequired from error
    return web.Response(status=204)
