from __future__ import annotations

import pytest

from engine.process_engine import PROCESSES
from tests.services.motion import Motion


@pytest.fixture
def motion_(county) -> Motion:
    """A motion of the main village, just begun."""
    county.engine.repository.deploy(PROCESSES / "A01_dev_plan")
    started = county.engine.runtime.start(
        "dev_plan",
        unit_id=county.people.unit("石桥村"),
        data={"motion_title": ["修便民桥"], "plan_reason": ["村民建议"]},
        by=county.post("CL"),
    )
    return Motion(county, started)
