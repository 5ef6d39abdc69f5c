"""Ports of the records: one transaction carries them all (``records.Unit``)."""
