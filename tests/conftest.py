"""What every room's tests share: who may run, and what runs alone."""

from __future__ import annotations

import os

import pytest


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Tests that own networks share one worker process."""
    for item in items:
        if item.get_closest_marker("root") is None and not {"veths", "network"} & set(getattr(item, "fixturenames", ())):
            continue
        item.add_marker(pytest.mark.xdist_group("network"))


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup(item: pytest.Item) -> None:
    if item.get_closest_marker("root") is None or os.geteuid() == 0:
        return
    reason = "needs root: it makes network namespaces and veth interfaces"
    if os.environ.get("CI") == "true":
        pytest.fail(f"{reason}, and CI must not leave it out")
    pytest.skip(reason)
