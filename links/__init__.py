"""Links: who may bring or fetch what, until when."""

from links.issue import Issued, Issuing
from links.letter import Letter, open_letter
from links.listing import LinkView, Listing
from links.passcode import PasscodeProof, Passcodes
from links.post import Mailer, Post
from links.recipient import LIFE as CODE_LIFE
from links.recipient import CodeProof, RecipientCodes
from links.redeem import DownloadPage, Redeeming, UploadGrant, UploadPage
from links.revoke import Revoking
from links.terms import LinkLimits

__all__ = [
    "CODE_LIFE",
    "CodeProof",
    "DownloadPage",
    "Issued",
    "Issuing",
    "Letter",
    "LinkLimits",
    "LinkView",
    "Listing",
    "Mailer",
    "PasscodeProof",
    "Passcodes",
    "Post",
    "RecipientCodes",
    "Redeeming",
    "Revoking",
    "UploadGrant",
    "UploadPage",
    "open_letter",
]
