"""Migrations, forward only: run by ``storage.records.upgrade``, shipped with the code."""
