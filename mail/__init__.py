"""Mail: messages to a ticket's address come in, their files are kept, and what is left of them goes on to the desk."""

from mail.addresses import MailAddresses
from mail.delivery import REMEMBERED, Delivering, Onward
from mail.door import Door, Place
from mail.relay import Relay, SmtpRelay
from mail.splitting import Rules

__all__ = ["REMEMBERED", "Delivering", "Door", "MailAddresses", "Onward", "Place", "Relay", "Rules", "SmtpRelay"]
