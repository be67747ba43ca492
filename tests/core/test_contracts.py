"""What the compiled core is told is checked where it enters; what kernels rely on beyond that, in a build for it."""

import re

import numpy as np
import pytest

from ndconv import _core
from ndconv._call.activations import ACTIVATIONS
from ndconv._call.geometry import layer_geometry
from ndconv._gradients.weight import GradientBlocking, _block
from ndconv._methods import Problem, winograd
from ndconv._methods.direct.blocking import _try_blocking, make_blocking
from ndconv._methods.winograd.blocking import blocking_of
from support import isolated
from support.layouts import floats
from support.problems import CORE, problem


@pytest.mark.parametrize(
    "changed",
    [
        {"stride": (1, 0)},
        {"box": (1, 0)},
        {"modes": (0, 5)},
        {"modes": (-1, 0)},
        {"groups": 0},
        {"channels_in": -1},
        {"n_blocks": 0},
        {"blocks_per_task": 0},
        {"groups_per_task": 0},
        {"channel_block": 0},
        {"padded_channels": 0},
        {"stretch": 0},
        {"interleave": 3},
        {"kernel": "depthwise"},
    ],
)
def test_sizes_of_a_plan(changed):
    blocking = make_blocking(problem(), CORE)
    CORE.Direct(blocking)
    with pytest.raises(ValueError, match="the core was given"):
        CORE.Direct(blocking._replace(**changed))


@pytest.mark.parametrize(
    "changed",
    [
        {"column_points": 7, "row_points": 7},
        {"column_points": 3, "row_points": 3},
        {"row_points": 0},
        {"row_points": 1},
        {"rows": 5},
        {"columns": 1},
        {"row_taps": 4},
        {"column_taps": 9},
        {"row_step": 3},
        {"column_step": 2},
        {"row_dilation": 0},
        {"outer": 1},
        {"gemm_tiles": 0},
        {"input_rows": 0},
        {"block_rows": 0},
        {"k_block": 0},
    ],
)
def test_sizes_of_winograds_tiles(changed):
    plan = winograd.plan(problem())
    blocking = blocking_of(problem(), CORE, plan.tiling)
    CORE.Winograd(blocking, plan.tiling)
    with pytest.raises(ValueError, match="the core was given"):
        CORE.Winograd(blocking, plan.tiling._replace(**changed))


@pytest.mark.parametrize("exponents", [np.zeros((1, 8), np.intc), np.zeros((1, 16), np.int8), np.zeros(16, np.intc)])
def test_exponents_of_other_weights(exponents):
    plan = winograd.plan(problem())
    core = CORE.Winograd(blocking_of(problem(), CORE, plan.tiling), plan.tiling)
    x, packed, y = floats(1, 16, 12, 12), core.pack(floats(1, 16, 16, 3, 3)), floats(1, 16, 12, 12)
    assert core.run(x, packed, None, None, y, 0, None, 1, np.zeros((1, 16), np.intc))
    with pytest.raises(ValueError, match=r"the core was given other exponents|Buffer"):
        core.run(x, packed, None, None, y, 0, None, 1, exponents)


@pytest.mark.parametrize("shape", [(1, 16, 16, 3, 5), (1, 16, 16, 1, 1), (1, 16, 8, 3, 3), (1, 16, 16, 3)])
def test_weights_of_another_layer(shape):
    plan = winograd.plan(problem())
    core = CORE.Winograd(blocking_of(problem(), CORE, plan.tiling), plan.tiling)
    with pytest.raises(ValueError, match="the core was given weights of another"):
        core.pack(floats(*shape))
    with pytest.raises(ValueError, match="the core was given weights of another"):
        core.run(floats(1, 16, 12, 12), floats(*shape), None, None, floats(1, 16, 12, 12), 0, None, 1)


@pytest.mark.parametrize("name", GradientBlocking._fields[1:])
def test_cuts_of_a_gradient(name):
    blocking, cut = _block(problem(), CORE)
    CORE.WeightGradient(blocking, cut)
    with pytest.raises(ValueError, match="the core was given a cut into nothing"):
        CORE.WeightGradient(blocking, cut._replace(**{name: 0}))
    with pytest.raises(ValueError, match="the core was given a cut into nothing"):
        CORE.WeightGradient(blocking, cut._replace(inputs=blocking.padded_channels + 1))


@pytest.mark.parametrize("activation", [-1, len(ACTIVATIONS)])
def test_activations(activation):
    blocking = make_blocking(problem(), CORE)
    core = CORE.Direct(blocking)
    x, packed, y = floats(1, 16, 12, 12), core.pack(floats(1, 16, 16, 3, 3)), floats(1, 16, 12, 12)
    with pytest.raises(ValueError, match="the core was given an activation that is none"):
        core.run(x, packed, None, None, y, activation, None, 1)


def test_outputs_of_the_other_byte_order():
    core = CORE.Direct(make_blocking(problem(), CORE))
    x, packed, y = floats(1, 16, 12, 12), core.pack(floats(1, 16, 16, 3, 3)), floats(1, 16, 12, 12)
    with pytest.raises(ValueError, match="the core was given an output of the other byte order"):
        core.run(x, packed, None, None, y.astype(y.dtype.newbyteorder()), 0, None, 1)


def phases(*kernels):
    """Return blockings that `Polyphase` takes: the tile kernel's, which is the best at some levels alone."""
    return [_try_blocking(problem(weight_shape=(16, 16, *kernel)), CORE, "tile", False) for kernel in kernels]


def test_phases_of_another_kind():
    blocking, wider = phases((3, 3), (3, 5))
    assert blocking.kernel == "tile"
    core = CORE.Polyphase([blocking, blocking])
    with pytest.raises(ValueError, match="the core was given phases that differ in more than their taps"):
        CORE.Polyphase([blocking, wider])
    packed = core.pack([floats(1, 16, 16, 3, 3)] * 2)
    other = CORE.Direct(make_blocking(problem(weight_shape=(16, 16, 1, 1)), CORE)).pack(floats(1, 16, 16, 1, 1))
    x, y = floats(1, 16, 12, 12), floats(1, 16, 12, 24)
    core.run(x, packed, None, None, y, 0, 1)
    with pytest.raises(ValueError, match="the core was given weights that were packed for another phase"):
        core.run(x, [packed[0], other], None, None, y, 0, 1)


@pytest.mark.parametrize(
    "changed",
    [{"axis": 2}, {"axis": -1}, {"size": 0}, {"mode": 5}, {"workers": 0}, {"y": np.ones((4, 50))}, {"x": np.ones(50)}],
)
def test_means(changed):
    core = _core.load("float64")
    arguments = {"x": np.ones((3, 50)), "y": np.ones((3, 50)), "axis": 1, "size": 5, "before": 2, "mode": 0}
    arguments |= {"fill": 0.0, "workers": 1}
    core.running_means(*arguments.values())
    np.testing.assert_array_equal(arguments["y"][:, 2:-2], 1)
    with pytest.raises(ValueError, match="the core was given"):
        core.running_means(*(arguments | changed).values())


def told(weights=(1, 1, 1, 1, 1), before=2, mode=0):
    """Return a pass, as the core is told of it."""
    return np.array(weights, float), before, mode


@pytest.mark.parametrize("other", [{"weights": []}, {"before": 5}, {"before": -1}, {"mode": 5}])
@pytest.mark.parametrize("which", ["down", "across"])
def test_other_passes(which, other):
    arguments = {"x": np.ones((9, 50, 1)), "y": np.ones((9, 50, 1)), "axis": 0, "down": told(), "across": told()}
    arguments |= {"across_first": False, "fill": 0.0, "workers": 1, which: told(**other)}
    with pytest.raises(ValueError, match="the core was given other taps"):
        _core.load("float64").correlate_lines(*arguments.values())


@pytest.mark.parametrize(
    "changed",
    [
        {"axis": 1}, {"axis": -1}, {"workers": 0}, {"y": np.ones((8, 50, 1))}, {"x": np.ones((50, 1))},
        {"y": np.ones((9, 50, 1), ">f8")}, {"down": None, "across": None},
        {"x": np.ones((9, 50, 3)), "y": np.ones((9, 55, 3))[:, :50, ::-1]},
    ],
)  # fmt: skip
def test_ordered_lines(changed):
    core = _core.load("float64")
    arguments = {"x": np.ones((9, 50, 1)), "y": np.ones((9, 50, 1)), "axis": 0, "down": told(), "across": told()}
    arguments |= {"across_first": False, "fill": 0.0, "workers": 1}
    core.correlate_lines(*arguments.values())
    np.testing.assert_array_equal(arguments["y"][2:-2, 2:-2], 25)
    with pytest.raises(ValueError, match="the core was given"):
        core.correlate_lines(*(arguments | changed).values())


@pytest.mark.parametrize(
    "changed",
    [
        {"weights": np.ones(3)}, {"weights": np.ones((2, 3), "f4")}, {"weights": np.ones((3, 2)).T}, {"before": (2, 0)},
        {"weights": np.ones((2, 0))}, {"before": (0, -1)}, {"before": (0,)}, {"mode": 5}, {"workers": 0},
        {"y": np.ones((4, 50))}, {"x": np.ones(50)}, {"y": np.ones((3, 50), ">f8")},
    ],
)  # fmt: skip
def test_ordered_windows(changed):
    core = _core.load("float64")
    arguments = {"x": np.ones((3, 50)), "y": np.ones((3, 50)), "weights": np.ones((2, 3)), "before": (0, 0)}
    arguments |= {"mode": 0, "fill": 0.0, "workers": 1}
    core.correlate_window(*arguments.values())
    np.testing.assert_array_equal(arguments["y"][:-1, :-2], 6)
    with pytest.raises(ValueError, match="the core was given"):
        core.correlate_window(*(arguments | changed).values())


@pytest.mark.parametrize(
    "changed",
    [
        {"weights": np.ones((2, 3, 2))}, {"weights": np.ones((0, 3, 1))}, {"before": (0,)}, {"mode": 5}, {"fills": []},
        {"workers": 0}, {"x": np.ones((3, 50))}, {"x": np.ones((1, 0, 50)), "mode": 1}, {"y": np.ones((3, 50), ">f8")},
        {"y": np.ones((0, 50))},
    ],
)  # fmt: skip
def test_ordered_planes(changed):
    core = _core.load("float64")
    arguments = {"x": np.ones((1, 3, 50)), "y": np.ones((3, 50)), "weights": np.ones((2, 3, 1)), "before": (0, 0)}
    arguments |= {"backwards": False, "mode": 0, "fills": [0.0], "workers": 1}
    core.correlate_plane(*arguments.values())
    np.testing.assert_array_equal(arguments["y"][:-1, :-2], 6)
    with pytest.raises(ValueError, match="the core was given"):
        core.correlate_plane(*(arguments | changed).values())


@pytest.mark.parametrize(
    "changed",
    [
        {"weights": np.ones((3, 4, 1))}, {"weights": np.ones((2, 4, 2))}, {"weights": np.ones((2, 0, 1))}, {"up": 0},
        {"down": 0}, {"mode": 5}, {"workers": 0}, {"x": np.ones((1, 2, 50, 1))}, {"x": np.ones((3, 50, 1))},
        {"y": np.ones((3, 30, 2))}, {"y": np.ones((3, 30, 1), ">f8")},
    ],
)  # fmt: skip
def test_ordered_phases(changed):
    core = _core.load("float64")
    arguments = {"x": np.ones((1, 3, 50, 1)), "y": np.ones((3, 30, 1)), "weights": np.ones((2, 4, 1))}
    arguments |= {"up": 2, "down": 3, "before": 3, "mode": 0, "workers": 1}
    core.filter_phases(*arguments.values())
    np.testing.assert_array_equal(arguments["y"][:, 2:], 4)
    with pytest.raises(ValueError, match="the core was given"):
        core.filter_phases(*(arguments | changed).values())


BROKEN = """
from ndconv._methods.direct.blocking import _try_blocking
from support.layouts import floats
from support.problems import CORE, problem

assert CORE.is_safe
# A depthwise kernel takes a vector of channels for a group.
inputs, groups = (1, 16) if "{kernel}" == "depthwise" else (16, 1)
blocking = _try_blocking(problem(weight_shape=(16, inputs, 3, 3), groups=groups), CORE, "{kernel}", False)
offsets = {{name: getattr(blocking, name) + {farther} for name in ("tap_offset", "chain_offset")}}
core = CORE.Direct(blocking._replace(**offsets))
packed = core.pack(floats(blocking.groups, blocking.channels_out, inputs, 3, 3))
core.run(floats(1, 16, 12, 12), packed, None, None, floats(1, 16, 12, 12), 0, None, 1)
"""


@pytest.mark.skipif(not CORE.is_safe, reason="the core was built without -Dsafe=true")
@pytest.mark.parametrize("farther", [1 << 20, -1])
@pytest.mark.parametrize(
    ("kernel", "functions"),
    [
        ("tile", "list_taps|run_tiles"),
        ("bank", "run_bank_stretch"),
        ("rows", "run_rows"),
        ("depthwise", "run_depthwise"),
    ],
)
def test_taps_outside_of_the_planes_end_the_process(kernel, functions, farther):
    done = isolated.start(BROKEN.format(kernel=kernel, farther=farther))
    assert done.returncode < 0
    assert re.search(f"({functions}) relies on", done.stderr)


@pytest.fixture(scope="module")
def plan():
    """Return a core, and a plan of its direct method with packed weights and arrays that fit it."""
    core = _core.load("float32")
    geometry = layer_geometry((4, 20), (3, 4, 3), 1, 1, "zeros", 1, 1)
    problem = Problem(
        geometry=geometry, dtype=np.dtype("f4"), x_is_complex=False, fill_value=0, batch=2, x_in_place=False,
        y_in_place=True, bias=True,
    )  # fmt: skip
    blocking = make_blocking(problem, core)
    direct = core.Direct(blocking)
    arguments = {"x": floats(2, 4, 20), "packed": direct.pack(floats(1, 3, 4, 3)), "bias": floats(3)}
    arguments |= {"residual": floats(2, 3, 20), "y": floats(2, 3, 20), "activation": 0, "weight_batch": None}
    return core, blocking, direct, {**arguments, "workers": 1}


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"bias": np.ones(3)}, "a bias of another dtype, size or layout"),
        ({"bias": np.ones(3, ">f4")}, "a bias of another dtype, size or layout"),
        ({"bias": floats(2)}, "a bias of another dtype, size or layout"),
        ({"bias": floats(6)[::2]}, "a bias of another dtype, size or layout"),
        ({"x": floats(2, 3, 20)}, "an array of other channels"),
        ({"x": floats(2, 4, 20).astype("c8")}, "an array of other channels"),
        ({"x": floats(2, 4, 19)}, "an array of other spatial axes"),
        ({"x": floats(1, 4, 20)}, "an array of another batch"),
        ({"x": floats(4, 20)}, "an array of other axes"),
        ({"x": floats(2, 4, 20).astype(object)}, "an array of another dtype"),
        ({"x": floats(2, 4, 20).astype("longdouble")}, "an array of another dtype"),
        ({"y": floats(2, 3, 19)}, "an array of other spatial axes"),
        ({"y": floats(2, 2, 20)}, "an array of other channels"),
        ({"y": floats(20)}, "an output of other axes"),
        ({"residual": floats(2, 3, 21)}, "a residual of another shape"),
        ({"residual": floats(2, 2, 20)}, "an array of other channels"),
        ({"weight_batch": (1,)}, "weights that were packed for another plan"),
    ],
)
def test_arrays_of_another_plan(plan, changed, message):
    """Kernels trust what they are told: what is not so is an error where it enters the core, not other memory."""
    _, _, direct, arguments = plan
    assert direct.run(*arguments.values())
    with pytest.raises(ValueError, match=f"the core was given {message}"):
        direct.run(*(arguments | changed).values())


def test_weights_of_another_plan(plan):
    _, _, direct, _ = plan
    for weights in (np.ones((1, 3, 4, 3)), floats(1, 3, 4, 3).astype(">f4"), floats(3, 4, 3), floats(1, 2, 4, 3)):
        with pytest.raises(ValueError, match="the core was given weights of another dtype"):
            direct.pack(weights)
    with pytest.raises(ValueError, match="the core was given weights of another kernel"):
        direct.pack(floats(1, 3, 4, 5))


def test_plans_beyond_the_cores_bounds(plan):
    core, blocking, _, _ = plan
    for changed in ({"fill_values": np.zeros(2)}, {"interleave": 3}, {"n_blocks": 0}, {"box": (1,) * 65}, {"box": ()}):
        with pytest.raises(ValueError, match="the core was given"):
            core.Direct(blocking._replace(**changed))
    for number in (0, core.most_phases + 1):
        with pytest.raises(ValueError, match=f"the core was given {number} phases, of at most {core.most_phases}"):
            core.Polyphase([blocking] * number)
