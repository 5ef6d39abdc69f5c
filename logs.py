"""Logs: JSON lines on standard error, an event each, what looks like a secret or an address struck out (S-82).

Code logs static event names and ids only; striking out is the second line of defence, for texts that are not ours
(exceptions of libraries, aiohttp's own parser errors, which quote the raw request line).
"""

from __future__ import annotations

import json
import logging
import re
import sys
from datetime import UTC, datetime
from typing import Any, TextIO

# A link token in a path or alone, a bearer key, a session: a short prefix and 43 characters of base64url.
_TOKEN = re.compile(r"[A-Za-z0-9_-]{43,}")
_MAIL = re.compile(r"[^\s@<>\"'(),;:]+@[^\s@<>\"'(),;:]+\.[A-Za-z]{2,}")
_OURS = frozenset(logging.LogRecord("", 0, "", 0, "", None, None).__dict__) | {"message", "asctime", "taskName"}
# Their own texts quote raw requests, SQL parameters or signed headers.
_QUIET = ("aiohttp.access", "asyncio", "botocore", "boto3", "urllib3", "sqlalchemy", "alembic", "mail.log")


def struck(text: str) -> str:
    """The text without tokens, keys, digests or mail addresses."""
    return _MAIL.sub("(address)", _TOKEN.sub("(secret)", text))


class JsonLines(logging.Formatter):
    """One JSON object a line: time, level, logger, event, fields; control characters escaped by JSON itself."""

    def format(self, record: logging.LogRecord) -> str:
        line: dict[str, Any] = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "event": struck(record.getMessage()),
        }
        for name, value in record.__dict__.items():
            if name not in _OURS:
                line[name] = struck(value) if isinstance(value, str) else value
        if record.exc_info:
            line["exception"] = struck(self.formatException(record.exc_info))
        return json.dumps(line, ensure_ascii=True, default=lambda value: struck(str(value)))


def start(level: str, stream: TextIO = sys.stderr) -> None:
    """Send every logger's events to ``stream`` as JSON lines."""
    handler = logging.StreamHandler(stream)
    handler.setFormatter(JsonLines())
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level.upper())
    for name in _QUIET:
        logging.getLogger(name).setLevel(logging.WARNING)
