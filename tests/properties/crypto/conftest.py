from hypothesis import settings

# A busy machine is no failure: what these tests say is about bytes, not about time.
settings.register_profile("untimed", parent=settings(), deadline=None)
settings.load_profile("untimed")
