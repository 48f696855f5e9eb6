"""populate(refresh_stale=True) in other processes, in short: those of the soak that are tried in every run."""

from __future__ import annotations

import pytest

from tests.soak.test_refresh_elsewhere import (
    pipeline,
    reserve_jobs,
    test_errors_leave_the_old_rows,
    test_stale_results_are_replaced,
)

__all__ = ["pipeline", "reserve_jobs", "test_errors_leave_the_old_rows", "test_stale_results_are_replaced"]

pytestmark = [pytest.mark.timeout(300), pytest.mark.usefixtures("without_pandas")]
