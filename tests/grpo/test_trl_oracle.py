"""The learner against TRL 1.16, where the definitions coincide. Opt-in: TRL lives in an environment of its
own.

MINI_O3_TRL_PYTHON=trl-env/bin/python pytest tests/grpo/test_trl_oracle.py     (how to make it:
bench/rollout.py)
"""

import os
import sys
from pathlib import Path

import pytest

PYTHON = os.environ.get("MINI_O3_TRL_PYTHON")


@pytest.mark.skipif(not PYTHON, reason="MINI_O3_TRL_PYTHON does not name a python with TRL 1.16")
def test_loss_and_gradient_equal_those_of_trl(monkeypatch):
    monkeypatch.syspath_prepend(str(Path(__file__).parents[2] / "bench"))
    monkeypatch.delitem(sys.modules, "learner", raising=False)
    import learner

    found = learner.compare(PYTHON, 4, 1)
    assert found["rollouts"] >= 8
    assert found["loss"] == pytest.approx(found["loss_trl"], abs=1e-6)
    assert found["gradient_difference"] < 1e-5
