"""HTTP: the only folder that knows it (floor 4)."""
