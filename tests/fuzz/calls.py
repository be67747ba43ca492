"""A call for the fuzzer: the text of an expression, which runs and is printed where it fails, and its arrays."""

from __future__ import annotations

import functools
import inspect
from dataclasses import dataclass
from math import inf, nan  # noqa: F401 - in the text of calls
from typing import Any

import numpy as np
import scipy.sparse  # noqa: F401 - in the text of calls

import ndconv
import ndconv.ndimage
import ndconv.signal
from fuzz.operands import Operand
from support import filters, layouts  # noqa: F401 - in the text of calls


class Name(str):
    """The name of an operand, as a keyword's value."""

    __slots__ = ()
    __repr__ = str.__str__


@functools.cache
def _defaults(function: str) -> dict[str, Any]:
    """Return the defaults of a function's keywords, which a call need not say."""
    called = ndconv
    for part in function.split(".")[: 1 if function[0].isupper() else 2]:
        called = getattr(called, part)
    return {name: p.default for name, p in inspect.signature(called).parameters.items()}


@dataclass(frozen=True, repr=False)
class Call:
    """A call of a public function.

    `text` is its expression, with `{keywords}` in the place of keywords and `{more}` in that of `out` and `workers`.
    """

    function: str
    text: str
    operands: dict[str, Operand | np.ndarray]
    keywords: dict[str, Any]
    out: str | None = None  # a layout, or the operand to write over
    refusals: tuple[str, ...] = ()  # what a ValueError may say of a call that is well-formed
    bad: str | None = None  # the argument that is wrong
    facts: tuple = ()  # what else the expected answer depends on

    @property
    def is_drop_in(self) -> bool:
        return self.function.startswith(("ndimage.", "signal."))

    @property
    def masked(self) -> set[str]:
        """The names of the operands that are masked arrays."""
        return {name for name, o in self.operands.items() if isinstance(o, Operand) and o.layout == "masked"}

    @property
    def traits(self) -> str:
        """What is uncommon about the call: finds with other traits are of other kinds."""
        told = [f"{n}={self.keywords[n]}" for n in ("method", "normalized", "nan_policy") if n in self.keywords]
        contents = {o.content for o in self.operands.values() if isinstance(o, Operand)}
        told += ["masked"] * bool(self.masked) + ["sizes far apart"] * bool(contents & {"outlier", "spread", "tiny"})
        return ", ".join(each for each in told if each not in ("method=auto", "method=direct", "nan_policy=raise"))

    def arrays(self) -> dict[str, np.ndarray]:
        return {name: o.array() if isinstance(o, Operand) else o for name, o in self.operands.items()}

    def resolved(self, arrays: dict) -> dict[str, Any]:
        """Return the keywords with arrays in the place of their names."""
        return {key: arrays[value] if isinstance(value, Name) else value for key, value in self.keywords.items()}

    def expression(self, **more) -> str:
        defaults = _defaults(self.function)
        told = {n: v for n, v in self.keywords.items() if type(v) is not type(defaults.get(n)) or v != defaults[n]}
        parts = ("".join(f", {name}={value!r}" for name, value in each.items()) for each in (told, more))
        return self.text.format(**dict(zip(("keywords", "more"), parts, strict=True)))

    def run(self, arrays: dict, **more) -> Any:
        """Return what the expression gives for arrays."""
        return eval(self.expression(**more), globals() | arrays)

    def __repr__(self) -> str:
        """Return the call as a piece of Python to paste, with the folder of tests on the path."""
        lines = ["from fuzz.calls import *"]
        for name, o in self.operands.items():
            code = o.code() if isinstance(o, Operand) else f"np.array({o.tolist()!r}, '{o.dtype}')"
            lines.append(f"{name} = {code}")
        lines.append(f"y = {self.expression()}")
        if self.out is not None:
            lines.append(f"# and with {'output' if self.is_drop_in else 'out'}: {self.out}")
        return "\n".join(lines)


def streamed(stream, x, cuts, axis):
    """Return all outputs of a stream for x cut into chunks."""
    return np.concatenate([*map(stream.push, np.split(x, cuts, axis)), stream.flush()], axis)
