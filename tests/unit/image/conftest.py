"""hypothesis without deadlines: on a busy machine a slow example is no wrong one."""

from __future__ import annotations

from hypothesis import settings

settings.register_profile("patient", deadline=None)
settings.load_profile("patient")
