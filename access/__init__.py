"""Access: who may come in, by API key or by signing in."""

from access.people import Made, People

__all__ = ["Made", "People"]
