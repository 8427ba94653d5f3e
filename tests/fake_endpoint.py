"""The test double that the package ships, under the name that tests use."""

from mini_o3.kit.fake_endpoint import (
    Endpoint,
    Received,
    completion,
    hangs_up,
    says,
    sends,
    status,
    stays_silent,
    trickles,
    waits,
)

__all__ = [
    "Endpoint",
    "Received",
    "completion",
    "hangs_up",
    "says",
    "sends",
    "status",
    "stays_silent",
    "trickles",
    "waits",
]
