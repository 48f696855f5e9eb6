"""make_batch and make_query in other processes, in short: those of the soak that are tried in every run."""

from __future__ import annotations

import pytest

from tests.soak.test_sets_elsewhere import (
    pipeline,
    reserve_jobs,
    test_a_process_that_is_killed_takes_nothing_with_it,
    test_a_task_that_is_given_again_in_part,
    test_every_key_is_made_once,
    test_failing_keys_are_found,
)

__all__ = [
    "pipeline",
    "reserve_jobs",
    "test_a_process_that_is_killed_takes_nothing_with_it",
    "test_a_task_that_is_given_again_in_part",
    "test_every_key_is_made_once",
    "test_failing_keys_are_found",
]

pytestmark = [pytest.mark.timeout(300), pytest.mark.usefixtures("without_pandas")]
