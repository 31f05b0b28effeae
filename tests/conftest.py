"""What holds for every test: no clock decides whether one passes."""

from hypothesis import settings

settings.register_profile("clearway", deadline=None)
settings.load_profile("clearway")
