"""The words of the house as frozen values: no I/O, no third-party import (floor 0).

The only folder whose modules are imported directly (``from domain.errors import NotFound``): it is all face.
"""
