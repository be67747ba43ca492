"""The padding modes: one table, one meaning.

A mode says which sample stands at a position outside an array. Its index map is `source_run` in ``_core/axis.pxi``;
everything else that is known of a mode stands here.
"""

from dataclasses import dataclass


@dataclass(frozen=True)
class PaddingMode:
    """A padding mode: its name, the core's code for it, and the other names that users may give."""

    name: str
    code: int
    aliases: tuple[str, ...]
    drawing: str


PADDING_MODES = (
    PaddingMode("zeros", 0, ("zero", "constant", "fill"), "k k | a b c d | k k"),
    PaddingMode("replicate", 1, ("edge", "nearest", "extend"), "a a | a b c d | d d"),
    PaddingMode("reflect", 2, ("mirror", "reflect_101"), "c b | a b c d | c b"),
    PaddingMode("symmetric", 3, ("symm", "grid-mirror"), "b a | a b c d | d c"),
    PaddingMode("circular", 4, ("wrap", "periodic", "grid-wrap"), "c d | a b c d | a b"),
)

BY_NAME = {name: mode for mode in PADDING_MODES for name in (mode.name, *mode.aliases)}
