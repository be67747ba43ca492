"""How time is measured: contenders take turns in short bursts; and what the machine can do at most.

A machine is seldom quiet, so no contender is measured at a stretch. Each round gives each of them a burst of calls, and
what counts is the median over the rounds, or the median of the ratios of single rounds, whose bursts lie milliseconds
apart. Thread pools go on spinning after a call; a pause and one call that does not count stand before every burst.
"""

import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from statistics import median

import numpy as np

Call = Callable[[], object]
Calls = dict[str, Call]

PAUSE = 0.005  # seconds until the threads of the contender before sleep
LONGEST_PAUSE = 0.1  # seconds, for the pools that spin longer
BURST = 0.015  # seconds of calls in one burst
FEWEST_ROUNDS, MOST_ROUNDS = 5, 15
SLOW = 0.5  # seconds: a contender whose first call takes longer is measured by that call alone

MATRIX = 2048  # rows and columns of the matrices whose product is the limit of multiply-adds
COPIED_BYTES = 256 << 20  # more than caches hold
LIMIT_REPEATS = 7


def take_turns(calls: Calls, firsts: dict[str, float], seconds: float) -> dict[str, list[float]]:
    """Return the seconds per call of each contender in each round; `firsts` holds the times of the first calls."""
    quick = [name for name in calls if firsts[name] < SLOW]
    warm = {name: min(timed(calls[name])[0] for _ in range(2)) for name in quick}
    lengths = {name: max(1, round(BURST / warm[name])) for name in quick}
    one_round = sum(PAUSE + (lengths[name] + 1) * warm[name] for name in quick) or seconds
    rounds = int(np.clip(seconds / one_round, FEWEST_ROUNDS, MOST_ROUNDS))
    results = {name: [] if name in quick else [firsts[name]] * rounds for name in calls}
    for turn in range(rounds):
        for name in reversed(quick) if turn % 2 else quick:
            results[name].append(burst(calls[name], lengths[name]))
    return results


def burst(call: Call, length: int) -> float:
    """Return the median of some calls, after a pause and a call that does not count."""
    wait_until_idle()
    call()
    return median(timed(call)[0] for _ in range(length))


def wait_until_idle() -> None:
    """Pause, and pause again while threads of this process are busy without work."""
    end = time.perf_counter() + LONGEST_PAUSE
    busy = PAUSE
    while busy > PAUSE / 4 and time.perf_counter() < end:
        before = time.process_time()
        time.sleep(PAUSE)
        busy = time.process_time() - before


def timed(call: Call) -> tuple[float, object]:
    """Return the seconds that a call took, and its answer."""
    start = time.perf_counter()
    answer = call()
    return time.perf_counter() - start, answer


def ratio(theirs: list[float], ours: list[float]) -> float:
    """Return how many times as fast ours is: the median over rounds of which both had a burst."""
    return median(their / our for their, our in zip(theirs, ours, strict=True))


@dataclass(frozen=True)
class Limits:
    """What the machine did at most, per second: multiply-adds of a matrix product, bytes read and written by a copy."""

    multiply_adds: float
    bytes: float

    def __str__(self) -> str:
        return f"{2e-9 * self.multiply_adds:.0f} GFLOP/s in a matrix product, {1e-9 * self.bytes:.1f} GB/s in a copy"


def measure_limits(dtype: np.dtype, workers: int) -> Limits:
    """Measure both limits, each by the best of a few repeats; those of float16, whose sums are float32, are its."""
    dtype = np.dtype(np.float32) if dtype == np.float16 else dtype
    return Limits(MATRIX**3 / best(matrix_product(dtype), workers), 2 * COPIED_BYTES / best(copy(workers), workers))


def best(call: Call, workers: int) -> float:
    # threadpoolctl knows the thread pools of the BLAS library that NumPy was built with.
    from threadpoolctl import threadpool_limits

    with threadpool_limits(workers):
        return min(timed(call)[0] for _ in range(LIMIT_REPEATS))


def matrix_product(dtype: np.dtype) -> Call:
    a, b, c = (np.ones((MATRIX, MATRIX), dtype) for _ in range(3))
    return lambda: np.matmul(a, b, out=c)


def copy(workers: int) -> Call:
    """Return a call that copies a large array in slices, one thread each."""
    source, target = np.ones(COPIED_BYTES, np.uint8), np.zeros(COPIED_BYTES, np.uint8)
    parts = list(zip(np.array_split(target, workers), np.array_split(source, workers), strict=True))
    pool = ThreadPoolExecutor(workers)
    return lambda: list(pool.map(lambda part: np.copyto(*part), parts))
