"""Sending files by an upload link, from outside: what ``bilaga send`` and other people's programs use.

>>> from client import send
>>> outcome = send("https://files.example.org/u/TOKEN", ["report.pdf", "film.mp4"])
>>> outcome.receipts, [file.sha256 for file in outcome.files]

Speaks tus 1.0 to any Bilaga and knows nothing of its rooms. What a server refuses is raised, or told of its file, as
the same error of ``domain.errors`` that the server had.
"""

from client.link import UploadLink
from client.outcome import Outcome, Sent, Step, What
from client.patience import Stopped
from client.send import send
from client.source import STDIN
from client.terms import Terms, terms

__all__ = ["STDIN", "Outcome", "Sent", "Step", "Stopped", "Terms", "UploadLink", "What", "send", "terms"]
