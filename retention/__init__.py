"""When attachments end, and proof that they did."""

from retention.period import Period
from retention.rules import CUSTOMER, OTHER, AfterClosed, AfterContract, AfterLastActivity, Policy, Rule

__all__ = ["CUSTOMER", "OTHER", "AfterClosed", "AfterContract", "AfterLastActivity", "Period", "Policy", "Rule"]
