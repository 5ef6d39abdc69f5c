"""Where sealed bytes are: the port. Engines are modules of their own, known to ``server.py`` alone."""

from storage.blobs.port import BlobReader, BlobStat, BlobStore, BlobWriter, Clearing, Digesting, Space

__all__ = ["BlobReader", "BlobStat", "BlobStore", "BlobWriter", "Clearing", "Digesting", "Space"]
