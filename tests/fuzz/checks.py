"""What the fuzzer demands of a call: the right answer and good manners."""

from __future__ import annotations

import re
import warnings
from dataclasses import replace
from typing import Any

import numpy as np

import ndconv
from fuzz.answers import expect
from fuzz.answers.dropins import theirs
from fuzz.answers.promise import ANYTHING, Expected, Find
from fuzz.calls import Call, Name
from support.layouts import Place


def whole_of(call: Call) -> Call | None:
    """Return the call for the whole signal whose bits a stream has, which the direct method promises."""
    if "streamed" not in call.text or call.keywords["method"] != "direct":
        return None
    if call.function == "CorrelateStream":
        keywords = {"axes" if name == "axis" else name: value for name, value in call.keywords.items()}
        return Call("correlate_nd", "ndconv.correlate_nd(x, kernel{keywords})", {}, keywords)
    return Call("conv_layer", "ndconv.conv_layer(x, weight{keywords})", {}, call.keywords)


#: What a message may name an argument by.
NAMES = re.compile(
    r"\b(x|weight|bias|stride|padding|padding_mode|fill_value|dilation|groups|activation|residual|channel_axis|method|out"
    r"|workers|output_padding|grad_y|needs|kernel|mode|axes|axis|lags|dtype|normalized|nan_policy|chunk|layers"
    r"|adjacency|normalization|self_loops|gamma|beta|mean|var|eps|input_shape|weight_shape|itemsize"
    r"|sigma|order|truncate|sample_weights|mask|kernel_mask)\b"
)
REFUSALS = (ValueError, TypeError, MemoryError)


def run(call: Call, arrays: dict, **more) -> Any:
    """Return what a call returns; a warning, or an error that is none of the promised ones, is a find."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore" if call.is_drop_in else "error")
            return call.run(arrays, **more)
    except REFUSALS as error:
        if not (call.is_drop_in or isinstance(error, MemoryError) or NAMES.search(str(error))):
            raise Find("message", f"{type(error).__name__}: {error}") from error
        raise
    except Warning as warning:
        raise Find("warning", f"{type(warning).__name__}: {warning}") from warning
    except Exception as error:
        if call.is_drop_in:
            raise
        raise Find(type(error).__name__, str(error)) from error


def flat(result: Any) -> list[Any]:
    """Return all parts of a result: three gradients, two arrays, or one."""
    several = isinstance(result, ndconv.ConvGradients) or (
        isinstance(result, tuple) and isinstance(result[0], np.ndarray)
    )
    return list(result) if several else [result]


def bits(result: Any) -> list[Any]:
    """Return all bits of a result but those of NaN."""
    parts = flat(result)
    cleared = [
        np.where(np.isnan(a), np.nan, a) if getattr(a, "dtype", np.dtype("i1")).kind in "fc" else a for a in parts
    ]
    return [a.tobytes() if isinstance(a, np.ndarray) else a for a in cleared]


def check_refusal(call: Call, arrays: dict, error: Exception) -> None:
    """Demand that an error was asked for, or is SciPy's."""
    if call.is_drop_in:
        try:
            theirs(call, arrays)
        except Exception as other:
            if isinstance(error, type(other)):
                return
            raise Find("other error", f"{error!r}, SciPy {other!r}") from error
        raise Find("refused", repr(error)) from error
    asked = call.bad or call.masked or any(words in str(error) for words in call.refusals)
    if not asked:
        raise Find("refused", repr(error)) from error


def check_answer(result: Any, expected: list[Any]) -> None:
    for actual, exact in zip(flat(result), expected, strict=True):
        if isinstance(exact, Expected):
            exact.check(actual)
        elif isinstance(actual, ndconv.ReceptiveField):
            if not all(
                np.all(np.equal(*each)) for each in zip((actual.size, actual.jump, actual.start), exact, strict=True)
            ):
                raise Find("value", f"got {actual}, expected {exact}")
        elif actual != exact and exact is not ANYTHING:
            raise Find("value", f"got {actual}, expected {exact}")


def check_inputs(arrays: dict, before: dict) -> None:
    for name, copy in before.items():
        if np.asarray(arrays[name]).tobytes() != copy:
            raise Find("input changed", name)


def check_bits(call: Call, arrays: dict, result: Any) -> None:
    """Demand the same bits again, for every number of workers, and of a stream's chunks and one whole."""
    if bits(run(call, arrays)) != bits(result):
        raise Find("run to run", "another call has other bits")
    if "{more}" in call.text and not call.is_drop_in:
        for n in (1, 2, 3):
            if bits(run(call, arrays, workers=n)) != bits(result):
                raise Find("workers", f"workers={n} has other bits")
    whole = whole_of(call)
    if whole is not None and bits(run(whole, arrays)) != bits(result):
        raise Find("stream bits", "not those of one call for the whole signal")


def check_out(call: Call, result: Any, expected: list[Any]) -> None:
    """Demand the same answer where it is asked for, and nothing beside it."""
    if call.out is None or not isinstance(result, np.ndarray):
        return
    arrays, name = call.arrays(), "output" if call.is_drop_in else "out"
    call = replace(call, keywords={key: value for key, value in call.keywords.items() if key != "output"})
    if call.out == "itself":
        if result.size and sum(n > 1 for n in result.shape) > 1:
            line = np.empty(sum(result.shape), result.dtype)
            arrays["out"] = np.lib.stride_tricks.as_strided(line, result.shape, line.strides * result.ndim)
            try:
                run(call, arrays, out=Name("out"))
            except ValueError:
                return
            raise Find("out overlaps itself", f"no error for strides {arrays['out'].strides}")
        return
    if call.out == "x":
        if call.masked:
            return
        x = np.array(arrays["x"])
        if (x.shape, x.dtype) != (result.shape, result.dtype):
            return
        returned = run(call, arrays | {"x": x, "out": x}, **{name: Name("out")})
        kind, out, untouched = "out is x: ", x, True
    else:
        place = Place(result.shape, result.dtype, call.out)
        returned = run(call, arrays | {"out": place.out}, **{name: Name("out")})
        kind, out, untouched = "out: ", place.out, place.untouched_outside()
    if returned is not out:
        raise Find("out: not returned", f"got {returned!r}")
    if not untouched:
        raise Find("out: canary", f"beside {call.out}")
    try:
        check_answer(np.array(out), expected)
    except Find as find:
        raise Find(kind + find.kind, find.detail) from None


def check(call: Call) -> None:
    """Raise a find for the first promise that a call breaks."""
    arrays = call.arrays()
    before = {name: np.asarray(a).tobytes() for name, a in arrays.items()}
    try:
        result = run(call, arrays)
    except Find:
        raise
    except Exception as error:
        check_refusal(call, arrays, error)
        return
    check_inputs(arrays, before)
    if call.bad is not None:
        return
    if call.masked and not call.is_drop_in:
        if not call.function.endswith("_nd"):
            raise Find("no error", f"for masked {call.masked}")
        if call.masked != {"x"} or np.result_type(*arrays.values()).kind not in "fc":
            return  # what that means is not promised
    expected = expect(call, arrays)
    check_answer(result, expected)
    check_bits(call, arrays, result)
    check_out(call, result, expected)
