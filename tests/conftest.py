"""What all tests share; this file's place also puts `helpers` and `fake_endpoint` on the import path."""

from hypothesis import settings

settings.register_profile("mini_o3", deadline=None)  # speed is no test's business
settings.load_profile("mini_o3")
