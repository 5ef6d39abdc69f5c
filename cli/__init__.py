"""The command line ``bilaga``: a family of commands a file; errors are one line on stderr and an exit code."""

from cli.main import main

__all__ = ["main"]
