"""What a populate is told, and what it tells."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from attrs import field, frozen

from djarrow.errors import InvalidCondition
from djarrow.model.names import TableName

if TYPE_CHECKING:
    from djarrow.jobs.queue import Lease


@frozen
class Failure:
    """A make that failed: its key and what it raised."""

    key: dict[str, Any]
    error: Exception


@frozen
class Populated:
    """What a populate did. done: keys that were made; seconds: how long it took.

    skipped: keys that were passed over: another process made them meanwhile, or deleted what they were to be made of;
    or make_query has no row for them, which stay pending.
    waiting: of a populate that replaces stale results, keys that it left: results upstream are stale, and go first.
    """

    done: int
    failures: tuple[Failure, ...] = field(default=())
    skipped: int = 0
    seconds: float = 0.0
    waiting: int = 0

    @property
    def failed(self) -> int:
        """How many makes failed."""
        return len(self.failures)


@frozen
class Outcome:
    """What came of a key, for whoever is told of each; or of a batch of them, where `key` is the first.

    made: how many were made, none where the row was there already, or it failed; keys: of how many.
    """

    table: TableName
    key: Mapping[str, Any]
    seconds: float
    made: int = 0
    error: Exception | None = None
    keys: int = 1


ORDERS = ("original", "reverse", "random")


@frozen
class Options:
    """How a table is populated, as `populate` takes it.

    refresh: whether keys are entered into the queue when it has none left. stop: asked between two keys whether to end.
    report: told of every key, or batch. lease: under which keys are reserved; where there is none, the populate takes
    one for itself.
    """

    suppress_errors: bool = False
    reserve_jobs: bool = False
    order: str = "original"
    limit: int | None = None
    max_calls: int | None = None
    display_progress: bool = False
    make_kwargs: Mapping[str, Any] = field(factory=dict)
    priority: int | None = None
    batch_size: int | None = None
    refresh: bool = True
    processes: int | None = 1
    executor: Any = None
    refresh_stale: bool = False
    stop: Callable[[], bool] = field(default=lambda: False)
    report: Callable[[Outcome], None] = field(default=lambda _: None)
    lease: Lease | None = None

    @property
    def is_elsewhere(self) -> bool:
        """Whether other processes make, and this one hands out keys."""
        return self.executor is not None or self.processes != 1

    def check(self) -> None:
        """Raise InvalidCondition for what no populate can be told."""
        if self.order not in ORDERS:
            raise InvalidCondition(f"populate: order is one of {', '.join(ORDERS)}, not {self.order!r}.")
        for name, value in (("limit", self.limit), ("max_calls", self.max_calls)):
            if value is not None and (type(value) is not int or value < 0):
                raise InvalidCondition(f"populate: {name} is a number of keys, not {value!r}.")
        if self.processes is not None and (type(self.processes) is not int or self.processes < 1):
            raise InvalidCondition(
                f"populate: processes is a number from 1, or None for one a processor, not {self.processes!r}."
            )
        if self.executor is not None and self.processes != 1:
            raise InvalidCondition("populate: pass processes or executor, not both: an executor has its own.")
        if self.priority is not None and (type(self.priority) is not int or not self.reserve_jobs):
            raise InvalidCondition(
                "populate: priority is a whole number, and only jobs have one: pass reserve_jobs=True."
            )
