"""What a stream has to remember."""

from __future__ import annotations

from dataclasses import dataclass, replace

from .._call.arguments import LARGEST, Pair
from .._call.dtypes import Array


@dataclass(slots=True)
class State:
    """What a stream has to remember. Time counts the samples fed, those before the signal included."""

    start: int  # the time of the history's first sample
    due: int  # the time of the next output's last sample
    history: Array  # (rows, channels, samples)
    spectra: Array | None = None  # of the last blocks, each with the block before it: a ring
    past: Array | None = None  # the samples of the last blocks: a ring
    exponents: Array | None = None  # of the powers of two by which quiet blocks were divided for their spectra: a ring
    tail: Array | None = None  # what the early taps add to the outputs of the block that is coming in
    first: int = -LARGEST  # the time of the first sample that is none of the zeros before the signal
    stop: int = LARGEST  # the time of the first of the zeros after it

    def copy(self) -> State:
        """Return a state of its own; only the rings are ever written to."""
        spectra, past, exponents = (
            None if ring is None else ring.copy() for ring in (self.spectra, self.past, self.exponents)
        )
        return replace(self, spectra=spectra, past=past, exponents=exponents)

    @property
    def end(self) -> int:
        """The time of the next sample."""
        return self.start + int(self.history.shape[-1])

    def outside(self, start: int, end: int) -> Pair:
        """Return how many of the samples of some time are zeros before the signal, and after it."""
        before = min(max(self.first - start, 0), end - start)
        return before, min(max(end - self.stop, 0), end - start - before)
