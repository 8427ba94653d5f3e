"""What all tests share; this file's place also puts `helpers` and `fake_endpoint` on the import path."""

import pytest
from hypothesis import settings

settings.register_profile("mini_o3", deadline=None)  # speed is no test's business
settings.load_profile("mini_o3")


@pytest.fixture(autouse=True)
def no_keys_and_no_proxies(monkeypatch):
    for name in (
        "MINI_O3_JUDGE_API_KEY",
        "MINI_O3_API_KEY",
        "OPENAI_API_KEY",
        "HTTP_PROXY",
        "HTTPS_PROXY",
        "ALL_PROXY",
    ):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.lower(), raising=False)
