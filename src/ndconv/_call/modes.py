"""The padding modes: one table, one meaning.

A mode says which sample stands at a position outside an array. Its index map stands here, and once more, for the core,
in `source_run` in ``_core/stages/axis.pxi``.
"""

from dataclasses import dataclass

import numpy as np

from .dtypes import Array


@dataclass(frozen=True, eq=False)
class PaddingMode:
    """A padding mode: its name, the core's code for it, and the other names that users may give.

    There is one object of each, so that it is its own key, and hashed in no time.
    """

    name: str
    code: int
    aliases: tuple[str, ...]
    drawing: str

    def source(self, position: Array, size: int) -> Array:
        """Return which sample of an axis of `size` stands at each position (not for zeros, where none may)."""
        if self.name == "replicate" or size == 1:
            return np.clip(position, 0, size - 1)
        if self.name == "circular":
            return position % size
        last = 2 * size - (2 if self.name == "reflect" else 1)
        period = last if self.name == "reflect" else last + 1
        phase = position % period
        return np.where(phase < size, phase, last - phase)


PADDING_MODES = (
    PaddingMode("zeros", 0, ("zero", "constant", "fill"), "k k | a b c d | k k"),
    PaddingMode("replicate", 1, ("edge", "nearest", "extend"), "a a | a b c d | d d"),
    PaddingMode("reflect", 2, ("mirror", "reflect_101"), "c b | a b c d | c b"),
    PaddingMode("symmetric", 3, ("symm", "grid-mirror"), "b a | a b c d | d c"),
    PaddingMode("circular", 4, ("wrap", "periodic", "grid-wrap"), "c d | a b c d | a b"),
)

BY_NAME = {name: mode for mode in PADDING_MODES for name in (mode.name, *mode.aliases)}
