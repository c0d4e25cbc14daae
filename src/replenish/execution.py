"""Where work runs: a function mapped over stores (serial, processes, Dask), and one call in a process of its own.

A process of its own is more than a convenience: HiGHS keeps its worker threads in a process-wide pool and may deadlock
when it is called from short-lived threads, such as those of a dashboard (ERGO-Code/HiGHS, pull request 1886).
"""

from __future__ import annotations

import contextlib
import importlib
import multiprocessing
import threading
import time
import traceback
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass
from multiprocessing.connection import Connection
from multiprocessing.reduction import ForkingPickler
from typing import Any, Generic, Literal, TypeVar

from replenish.errors import ConfigError, ReplenishError, SolverError

T = TypeVar("T")
Work = tuple[Any, ...]  # a store's name, and its part of the data if there is one
Backend = Literal["serial", "processes", "dask"]
BACKENDS: tuple[Backend, ...] = ("serial", "processes", "dask")
GOODBYE_S = 5.0  # for a process to end by itself: a killed one leaves its semaphores, and a warning about them, behind


@dataclass(frozen=True)
class StoreResult(Generic[T]):
    """What became of one store: `value`, or the `error` that stopped it; `seconds` of wall time."""

    store: str
    value: T | None = None
    error: Exception | None = None
    seconds: float = 0.0

    @property
    def ok(self) -> bool:
        """True when the store's function returned."""
        return self.error is None


Progress = Callable[[StoreResult[Any], int, int], None]


def map_stores(
    function: Callable[..., T],
    stores: Sequence[str],
    backend: Backend = "serial",
    workers: int = 2,
    address: str | None = None,
    progress: Progress | None = None,
    parts: Mapping[str, Any] | None = None,
) -> list[StoreResult[T]]:
    """`function(store)` for every store, one result per store in the order given; a failing store stops no other.

    With `parts` (store → its data) it is `function(store, parts[store])`: a worker is sent its own store's data only.

    `serial` runs here; `processes` gives every store a process of its own, `workers` at a time, so that even a crash
    stays with its store; `dask` uses the cluster at `address`, or a local one of `workers` processes. For the last two
    the function must be importable (no lambda). `progress(result, done, total)` is called as stores finish. Raises
    `ConfigError` for an unknown backend or when Dask is not installed.
    """
    if backend not in BACKENDS:
        raise ConfigError(f"Unknown backend “{backend}”: choose one of {', '.join(BACKENDS)}.")
    work = {store: (store,) if parts is None else (store, parts[store]) for store in stores}
    if backend == "serial":
        finished: Iterator[StoreResult[T]] = (_attempt(function, *given) for given in work.values())
    elif backend == "processes":
        finished = _in_processes(function, work, workers)
    else:
        finished = _on_dask(function, work, workers, address)
    results = {}
    for result in finished:
        results[result.store] = result
        if progress is not None:
            progress(result, len(results), len(stores))
    return [results[store] for store in stores]


def _attempt(function: Callable[..., T], store: str, *part: Any) -> StoreResult[T]:
    start = time.perf_counter()
    try:
        return StoreResult(store, value=function(store, *part), seconds=time.perf_counter() - start)
    except Exception as error:  # noqa: BLE001 - whatever stops one store is that store's result
        return StoreResult(store, error=error, seconds=time.perf_counter() - start)


def _in_processes(function: Callable[..., T], work: Mapping[str, Work], workers: int) -> Iterator[StoreResult[T]]:
    def isolated(*given: Any) -> T:
        return in_worker_process(function, *given)

    with ThreadPoolExecutor(max_workers=workers) as pool:
        for future in as_completed([pool.submit(_attempt, isolated, *given) for given in work.values()]):
            yield future.result()


def _on_dask(
    function: Callable[..., T], work: Mapping[str, Work], workers: int, address: str | None
) -> Iterator[StoreResult[T]]:
    try:
        distributed: Any = importlib.import_module("distributed")
    except ModuleNotFoundError:
        raise ConfigError("Dask is not installed: pip install 'replenish[dask]', or choose another backend.") from None
    where: dict[str, Any] = {"n_workers": workers, "threads_per_worker": 1, "dashboard_address": None}
    with distributed.Client(**({"address": address} if address else where)) as client:
        futures = {client.submit(_attempt, function, *given, pure=False): store for store, given in work.items()}
        for future in distributed.as_completed(futures):
            lost = future.exception()  # the worker's death; what the function raised is inside the result
            yield future.result() if lost is None else StoreResult(futures[future], error=lost)


def in_worker_process(function: Callable[..., T], *args: Any, timeout_s: float | None = None) -> T:
    """`function(*args)` computed in a fresh process that ends afterwards; its errors are raised here.

    The function must be importable, and a script that calls this needs the guard `if __name__ == "__main__"`. Raises
    the `ReplenishError` the function raised; `SolverError` when it takes longer than `timeout_s`, when the process
    dies, or for any other error (whose traceback is attached as a note).
    """
    request = ForkingPickler.dumps((function, args))
    context = multiprocessing.get_context("spawn")
    here, there = context.Pipe()
    process = context.Process(target=_answer, args=(there,), daemon=True)
    process.start()
    there.close()
    # Not as an argument of the process: `start` would wait for ever for a process that dies before it has read it all.
    threading.Thread(target=_send, args=(here, request), daemon=True).start()
    try:
        value, error = _receive(here, process, timeout_s)
        process.join(GOODBYE_S)
    finally:
        process.kill()
        process.join()
        here.close()
    if error is not None:
        raise error
    result: T = value
    return result


class WorkerProcess:
    """An object that lives in a process of its own and answers one call after the other.

    `WorkerProcess(make, *args)` builds `make(*args)` there; `call("method", *args)` runs its method. What is slow to
    build or to send stays in the process between calls. A call that takes too long, or a process that dies, ends the
    process; the next call builds the object anew. Calls from several threads wait for each other.
    """

    def __init__(self, make: Callable[..., Any], *args: Any) -> None:
        self._make, self._args = make, args
        self._lock = threading.Lock()
        self._process: Any = None
        self._here: Any = None

    def call(self, method: str, *args: Any, timeout_s: float | None = None) -> Any:
        """What the object's method returns; errors as in `in_worker_process`."""
        with self._lock:
            try:
                if self._process is None or not self._process.is_alive():
                    self._start()
                self._here.send((method, args))
                answer, error = _receive(self._here, self._process, timeout_s)
            except SolverError:
                self._stop()
                raise
            except (BrokenPipeError, ConnectionResetError):
                self._stop()
                raise SolverError("The worker process ended before it could be asked. Run again.") from None
        if error is not None:
            raise error
        return answer

    def close(self) -> None:
        """Ends the process."""
        with self._lock:
            self._stop(GOODBYE_S)

    def _start(self) -> None:
        request = ForkingPickler.dumps((self._make, self._args))
        context = multiprocessing.get_context("spawn")
        self._here, there = context.Pipe()
        self._process = context.Process(target=_serve, args=(there,), daemon=True)
        self._process.start()
        there.close()
        self._here.send_bytes(request)

    def _stop(self, goodbye_s: float = 0.0) -> None:
        if self._process is not None:
            self._here.close()  # which tells it to end
            self._process.join(goodbye_s)
            self._process.kill()
            self._process.join()
        self._process = self._here = None


def _receive(here: Connection, process: Any, timeout_s: float | None) -> tuple[Any, Exception | None]:
    """The answer of a worker process, or the `SolverError` that says why there is none."""
    try:
        if not here.poll(timeout_s):
            raise SolverError(
                f"No answer after {timeout_s:g} s. Raise the time limit or loosen the rules and run again."
            )
        answer: tuple[Any, Exception | None] = here.recv()
    except (EOFError, ConnectionResetError):
        process.join()
        raise SolverError(
            f"The worker process ended without an answer (exit code {process.exitcode}); memory may have run out. "
            "Run again with fewer stores at once or fewer scenarios."
        ) from None
    return answer


def _serve(connection: Connection) -> None:
    """Builds the object and answers calls until the other end is closed."""
    made: Any = None
    try:
        make, args = connection.recv()
    except EOFError:
        return
    while True:
        try:
            method, given = connection.recv()
        except EOFError:
            return
        if made is None:
            made, error = _outcome(make, args)
            if error is not None:
                connection.send((None, error))
                continue
        connection.send(_outcome(getattr(made, method), given))


def _outcome(function: Callable[..., Any], args: tuple[Any, ...]) -> tuple[Any, Exception | None]:
    """What the function returned, or its error in a form that can be sent."""
    try:
        return function(*args), None
    except ReplenishError as error:
        return None, error
    except Exception as error:  # noqa: BLE001 - the caller gets every error, in a form that can be sent
        unexpected = SolverError(f"The computation failed unexpectedly ({type(error).__name__}: {error}).")
        unexpected.add_note(traceback.format_exc())
        return None, unexpected


def _send(connection: Connection, request: memoryview) -> None:
    with contextlib.suppress(OSError):  # a process that died is noticed by whoever waits for its answer
        connection.send_bytes(request)


def _answer(connection: Connection) -> None:
    function, args = connection.recv()
    connection.send(_outcome(function, args))
    connection.close()
