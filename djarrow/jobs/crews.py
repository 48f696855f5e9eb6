"""The processes that populate hands keys to: its own, those of an executor, and those of a Dask cluster."""

from __future__ import annotations

import multiprocessing
import os
import sys
from collections.abc import Callable, Generator
from concurrent.futures import BrokenExecutor, Executor, Future, ProcessPoolExecutor
from contextlib import contextmanager
from multiprocessing.reduction import ForkingPickler
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

from attrs import define

from djarrow.errors import InvalidCondition, MakeError, MissingPackage
from djarrow.jobs import remote

if TYPE_CHECKING:
    from djarrow.engine.base import Database
    from djarrow.jobs.options import Options

Result = TypeVar("Result")

IN_FLIGHT = 2
"""Tasks that a process has at most: one that it does, and one so that it need not wait for the next."""


class Crew(Protocol):
    """Processes that do tasks."""

    @property
    def size(self) -> int:
        """How many there are now."""
        ...

    def submit(self, work: Callable[..., Result], *given: Any) -> Future[Result]:
        """Have one of them do it. Raises BrokenExecutor where they are gone."""
        ...

    def cancel(self, future: Future[Any]) -> bool:
        """Whether nobody has begun to do it, and nobody will."""
        ...

    def is_lost(self, error: BaseException) -> bool:
        """Whether the error says that the process ended that did the task, or may have done it."""
        ...

    def takes_all(self, error: BaseException) -> bool:
        """Whether the tasks of all others are lost with it."""
        ...

    def is_gone(self) -> bool:
        """Whether they are out of reach for good, so that some tasks may never be told of."""
        ...

    def renew(self) -> bool:
        """Have new processes in the place of those that are gone; False where that is not for us to do."""
        ...

    def abort(self) -> None:
        """End the processes in the midst of their work, where they are ours."""
        ...


@contextmanager
def crew_of(options: Options, database: Database, place: remote.Place) -> Generator[Crew, None, None]:
    """The processes that the options name. Those that are started for it are ended with the block.

    Raises InvalidCondition of what is no executor, and MakeError where they cannot find the class, or not make_kwargs.
    """
    given = options.executor
    if given is None:
        _check_main(place)
        _check_carried(options.make_kwargs, place)
        own = OwnProcesses(options.processes or os.cpu_count() or 1, database.url_of_children)
        try:
            yield own
        except BaseException:
            own.abort()
            raise
        finally:
            own.close()
    elif isinstance(given, Executor):
        yield GivenExecutor(given)
    elif hasattr(given, "get_executor") and hasattr(given, "nthreads"):
        if place.module == "__main__":
            raise MakeError(_NO_MAIN, table=f"{place.schema}.{place.table}")
        crew = _dask(given)
        _check_carried(options.make_kwargs, place, crew.packs)
        yield crew
    else:
        text = "is a concurrent.futures.Executor or a dask.distributed.Client"
        raise InvalidCondition(f"populate: executor {text}, not an object of type {type(given).__name__}.")


_NO_MAIN = (
    "its class is in the script or notebook that runs, which other processes cannot import. Move it to a module, and "
    "import it from there."
)


def _check_main(place: remote.Place) -> None:
    """Refuse a class of a notebook or a prompt. New processes run a script again, but for what is under its guard."""
    main = sys.modules["__main__"]
    is_module = getattr(main, "__spec__", None) is not None
    file = getattr(main, "__file__", None)
    if place.module == "__main__" and not is_module and not (file and Path(file).is_file()):
        raise MakeError(_NO_MAIN, table=f"{place.schema}.{place.table}")


def _check_carried(make_kwargs: Any, place: remote.Place, packs: Callable[[Any], Any] = ForkingPickler.dumps) -> None:
    try:
        packs(make_kwargs)
    except Exception as error:
        text = f"make_kwargs cannot go to other processes: {error}"
        raise MakeError(text, table=f"{place.schema}.{place.table}") from error


# --- our own ---------------------------------------------------------------------------------------------------------


class OwnProcesses:
    """So many new processes, none of which shares anything with this one, and all of which end when it ends."""

    def __init__(self, size: int, url: str | None) -> None:
        self.size = size
        self._url = url
        self._start()

    def _start(self) -> None:
        self._end, self._ours = multiprocessing.Pipe(duplex=False)
        self._pool = ProcessPoolExecutor(
            self.size,
            mp_context=multiprocessing.get_context("spawn"),
            initializer=remote.begin,
            initargs=(self._url, self._end),
        )

    def submit(self, work: Callable[..., Result], *given: Any) -> Future[Result]:
        """Have one of them do it."""
        return self._pool.submit(work, *given)

    def cancel(self, future: Future[Any]) -> bool:
        """It waits for a process that is free."""
        return future.cancel()

    def is_lost(self, error: BaseException) -> bool:
        """A process of it was killed."""
        return isinstance(error, BrokenExecutor)

    takes_all = is_lost

    def is_gone(self) -> bool:
        """What becomes of each task is always told."""
        return False

    def renew(self) -> bool:
        """A pool that lost a process ends the others, too."""
        self.abort()
        self.close()
        self._start()
        return True

    def abort(self) -> None:
        """End them in the midst of their work: the server rolls their transactions back."""
        self._ours.close()

    def close(self) -> None:
        """End them when their work is done."""
        self._pool.shutdown(cancel_futures=True)
        self._ours.close()
        self._end.close()


# --- those of others -------------------------------------------------------------------------------------------------


@define
class GivenExecutor:
    """An executor of the user's, who closes it."""

    executor: Executor

    @property
    def size(self) -> int:
        """How many there are, as far as that is known."""
        most = getattr(self.executor, "_max_workers", None)
        return max(1, most if isinstance(most, int) else os.cpu_count() or 1)

    def submit(self, work: Callable[..., Result], *given: Any) -> Future[Result]:
        """Have one of them do it."""
        return self.executor.submit(work, *given)

    def cancel(self, future: Future[Any]) -> bool:
        """It waits for one that is free."""
        return future.cancel()

    def is_lost(self, error: BaseException) -> bool:
        """A process of it was killed."""
        return isinstance(error, BrokenExecutor)

    def takes_all(self, error: BaseException) -> bool:
        """It ends the others, too."""
        return isinstance(error, BrokenExecutor)

    def is_gone(self) -> bool:
        """What becomes of each task is always told."""
        return False

    def renew(self) -> bool:
        """It is the user's."""
        return False

    def abort(self) -> None:
        """It is the user's: what runs ends by itself."""


@define
class DaskWorkers(GivenExecutor):
    """The workers of a Dask cluster, which may come and go. killed: what its futures raise of a task whose worker died;
    packs: packs what is sent there.
    """

    client: Any
    killed: type[BaseException]
    packs: Callable[[Any], Any]

    @property
    def size(self) -> int:
        """How many threads its workers have now. One where its scheduler does not answer: each task tells."""
        try:
            return max(1, sum(map(int, self.client.nthreads().values())))
        except Exception:  # noqa: BLE001 - of four kinds at least, by how far it is with closing
            return 1

    def submit(self, work: Callable[..., Result], *given: Any) -> Future[Result]:
        """Have one of them do it."""
        try:
            return self.executor.submit(work, *given)
        except Exception as error:
            if not self.is_gone():
                raise
            raise BrokenExecutor(str(error)) from error

    def cancel(self, _: Future[Any]) -> bool:
        """Dask does not tell whether it runs already."""
        return False

    def is_lost(self, error: BaseException) -> bool:
        """Its worker was killed, and as many others that Dask has given the task again to as its settings say."""
        return isinstance(error, (BrokenExecutor, self.killed))

    def is_gone(self) -> bool:
        """Of a result that was on its way when the scheduler was lost, nothing is told."""
        return bool(self.client.status == "closed")


def _dask(client: Any) -> DaskWorkers:
    try:
        from distributed import KilledWorker
        from distributed.protocol.pickle import dumps
    except ImportError as error:
        raise MissingPackage("distributed", what="populate(executor=client)") from error
    if getattr(client, "asynchronous", False):
        raise InvalidCondition(
            "populate: executor is a client with asynchronous=False: populate waits for its results."
        )
    return DaskWorkers(client.get_executor(pure=False), client, KilledWorker, dumps)
