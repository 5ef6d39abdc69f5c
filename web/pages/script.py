"""What the upload page's script says, from the same catalogue as the page."""

from __future__ import annotations

from collections.abc import Mapping

from web.pages.languages import Language


def script_words(language: Language) -> Mapping[str, str]:
    """The script's texts by the names it has for them; ``%(name)s`` is filled in by the script."""
    text = language.text
    gone = text("The link has expired, was closed or has been used up. Ask whoever gave it to you for a new one.")
    passcode = text("That passcode is wrong.")
    five = text("After five wrong ones the link is closed for a quarter of an hour.")
    return {
        # A file's state.
        "queued": text("Waiting its turn"),
        "starting": text("Starting"),
        "left": text("%(time)s left"),
        "paused": text("Paused at %(percent)s"),
        "waiting-line": text("Waiting for the connection at %(percent)s. It goes on by itself."),
        "waiting-server": text("The server does not answer. It is tried again by itself, from %(percent)s."),
        "confirming": text("All sent. Waiting for the server to confirm."),
        "received": text("Received and stored"),
        "checking": text("Received, being checked"),
        "accepted": text("Received and accepted"),
        "quarantined": text("It was found harmful, or could not be checked. Nobody can open it."),
        "interrupted": text("Choose %(name)s again to go on from %(percent)s."),
        # Why one is not taken.
        "other": text("That is another file. To go on, choose %(name)s of %(size)s, unchanged."),
        "too-large": text("The file is too large: at most %(size)s. Send a smaller one, or ask for another link."),
        "media-type": text("Files of this type are not taken here, only %(types)s. Choose another file."),
        "refused-type": text("Files of this type are not taken here. Choose another file, or send it in a zip."),
        "too-many": text("There is no room for it under this link. Ask for a new one."),
        "no-room": text("There is room for %(size)s more under this link. Send a smaller file, or ask for a new link."),
        "content-mismatch": text("The file is not what its name says. Give it its right ending and send it again."),
        "infected": text("Malware was found in the file, and nothing was kept. Check your computer."),
        "gone": gone,
        "storage-full": text("The server has no room right now. Try again in a while."),
        "failed": text("That did not work. Try again; what has arrived is not sent twice."),
        # The passcode.
        "passcode-first": text("Type the passcode, and sending begins."),
        "passcode": f"{passcode} {five}",
        "rate": text("Too many tries") + ". " + text("Wait a quarter of an hour and try again."),
        # All files, and what is read out.
        "sum": text("%(done)s of %(all)s received"),
        "said-start": text("%(name)s: sending has begun"),
        "said-received": text("%(name)s: received and stored"),
        "said-done": text("All files have arrived. Your receipt is ready."),
        # The name of a picture without one.
        "pasted": text("Screenshot %(date)s"),
    }
