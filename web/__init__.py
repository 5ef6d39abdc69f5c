"""HTTP: the only folder that knows it (floor 4)."""

from web.addresses import Addresses
from web.app import api_routes, build
from web.csrf import Csrf
from web.cursors import Cursors
from web.flight import Flight
from web.hop import Hop
from web.identity import Sessions
from web.metrics import Metrics
from web.pages import Languages, Pages
from web.rates import Rates
from web.services import SERVICES, Secrets, Services
from web.serving import serve

__all__ = [
    "SERVICES",
    "Addresses",
    "Csrf",
    "Cursors",
    "Flight",
    "Hop",
    "Languages",
    "Metrics",
    "Pages",
    "Rates",
    "Secrets",
    "Services",
    "Sessions",
    "api_routes",
    "build",
    "serve",
]
