"""Requests made up from the server's own description find no server error."""

from __future__ import annotations

import pytest

schemathesis = pytest.importorskip("schemathesis")
pytestmark = pytest.mark.slow


def test_no_request_breaks_the_server(serve):
    from hypothesis import HealthCheck, Phase, given, settings

    served = serve(requests_per_minute=10**9, most_waiting=10**9)
    schema = schemathesis.openapi.from_url(f"{served.url}/openapi.json")
    for operation in schema.get_all_operations():
        made = operation.ok()
        if made.path.endswith("/events"):
            continue  # watches for as long as a search goes on

        @settings(
            max_examples=25,
            deadline=None,
            database=None,
            phases=[Phase.generate],
            suppress_health_check=list(HealthCheck),
        )
        @given(case=made.as_strategy())
        def tried(case):
            assert case.call(timeout=20).status_code < 500, case

        tried()
