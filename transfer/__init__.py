"""Transfer: bytes in, bytes out."""
