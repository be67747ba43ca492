"""Instruction-set levels: the forced one runs, says so and agrees with the naive reference; a wrong one is an error."""

import os

import pytest

import ndconv
import ndconv._core
from support import isolated

KNOWN = ("baseline", "x86-64-v3", "x86-64-v4")
LEVELS = tuple(ndconv._core.supported_levels())
BUILT = tuple(ndconv.show_config(mode="dicts")["instruction_sets_built"])

CHECK = """
    import itertools
    import ndconv, numpy as np
    from support import oracle
    from support.layouts import values
    rng = np.random.default_rng(1)
    for dtype in ("float16", "float32", "float64", "complex64", "complex128", "int8", "int32", "uint64"):
        for (c_in, c_out, groups), width in itertools.product(
            [(1, 1, 1), (3, 5, 1), (17, 33, 1), (64, 20, 1), (9, 9, 9), (6, 12, 6)], (1, 7, 16, 33, 70)
        ):
            x = values(rng, (2, c_in, 5, width), dtype)
            weight = values(rng, (c_out, c_in // groups, 3, 3), dtype)
            for stride in (1, 2):
                keywords = {"padding": 1, "groups": groups, "stride": stride, "padding_mode": "reflect"}
                if width == 1:
                    keywords["padding_mode"] = "symmetric"
                oracle.layer(x, weight, **keywords).check(ndconv.conv_layer(x, weight, **keywords))
        for n, k in ((100, 5), (3000, 101)):
            x, kernel = values(rng, n, dtype), values(rng, k, dtype)
            oracle.correlate(x, kernel).check(ndconv.correlate_nd(x, kernel))
    for activation in oracle.ACTIVATIONS:
        x, weight = values(rng, (3, 9, 50), "float32"), values(rng, (20, 3, 3, 3), "float32")
        oracle.layer(x, weight, activation=activation).check(ndconv.conv_layer(x, weight, activation=activation))
    # What is done to finished sums must be done once, wherever vectors overlap.
    for width in range(3, 150):
        for c_in, c_out, groups in ((1, 1, 1), (2, 5, 1), (4, 4, 4), (3, 17, 1)):
            for dtype in ("float32", "float64"):
                x, weight = values(rng, (c_in, 4, width), dtype), values(rng, (c_out, c_in // groups, 2, 3), dtype)
                keywords = {"bias": values(rng, c_out, dtype), "activation": "leaky_relu", "groups": groups}
                keywords["residual"] = values(rng, (c_out, 3, width - 2), dtype)
                oracle.layer(x, weight, **keywords).check(ndconv.conv_layer(x, weight, **keywords))
"""


def test_levels_are_known_and_in_order():
    assert [level for level in KNOWN if level in LEVELS] == list(LEVELS)
    assert LEVELS[0] == BUILT[0]
    assert ndconv._core.level() in LEVELS


def test_the_level_of_this_run():
    forced = os.environ.get("NDCONV_ISA")
    assert ndconv._core.level() == (forced or LEVELS[-1])


@pytest.mark.parametrize("level", LEVELS)
def test_the_forced_level_is_in_use(level):
    output = isolated.run(
        """
        import ndconv, ndconv._core
        print(ndconv._core.level())
        print(ndconv.show_config(mode="dicts")["instruction_set"])
        ndconv.show_config()
        """,
        NDCONV_ISA=level,
    )
    lines = output.splitlines()
    assert lines[0] == level
    assert lines[1] == level
    assert any(level in line for line in lines[2:])


def test_the_best_level_is_the_default():
    assert isolated.run("import ndconv._core; print(ndconv._core.level())", NDCONV_ISA=None) == LEVELS[-1]
    assert isolated.run("import ndconv._core; print(ndconv._core.level())", NDCONV_ISA="") == LEVELS[-1]


@pytest.mark.slow
@pytest.mark.once
@pytest.mark.parametrize("level", LEVELS)
def test_every_level_agrees_with_the_reference(level):
    isolated.run(CHECK, NDCONV_ISA=level, OPENBLAS_NUM_THREADS="1", timeout=240)


@pytest.mark.once
@pytest.mark.parametrize("level", LEVELS)
def test_every_level_gives_the_same_bits_for_every_number_of_workers(level):
    isolated.run(
        """
        import ndconv, numpy as np
        rng = np.random.default_rng(0)
        x = rng.standard_normal((40, 50, 60), dtype=np.float32)
        for weight, groups in (((33, 40, 3, 3), 1), ((3, 40, 3, 3), 1), ((40, 1, 3, 3), 40)):
            weight = rng.standard_normal(weight, dtype=np.float32)
            y = ndconv.conv_layer(x, weight, groups=groups, workers=1)
            for workers in (2, 3, -1):
                assert np.array_equal(ndconv.conv_layer(x, weight, groups=groups, workers=workers), y)
        """,
        NDCONV_ISA=level,
    )


@pytest.mark.parametrize("name", ["avx9", "AVX2", "x86-64-v2", "baseline,x86-64-v3", "x86-64-v3 "])
def test_an_unknown_level_is_a_clear_error(name):
    done = isolated.start("import ndconv", NDCONV_ISA=name)
    assert done.returncode == 1
    last = done.stderr.strip().splitlines()[-1]
    assert "NDCONV_ISA" in last
    assert name in last
    assert all(level in last for level in BUILT)


def test_a_level_that_the_machine_lacks_is_a_clear_error():
    """Where the machine has every level, it pretends to have the first alone."""
    if len(BUILT) < 2:
        pytest.skip("one level alone was built")
    missing = [level for level in BUILT if level not in LEVELS]
    if missing:
        done = isolated.start("import ndconv", NDCONV_ISA=missing[0])
    else:
        missing = [BUILT[-1]]
        done = isolated.start(
            f"""
            import importlib, os
            import ndconv._core
            ndconv._core.machine.has_level = lambda level: level == "baseline"
            os.environ["NDCONV_ISA"] = {missing[0]!r}
            importlib.reload(ndconv._core)
            """,
            NDCONV_ISA=None,
        )
    assert done.returncode == 1
    last = done.stderr.strip().splitlines()[-1]
    assert "NDCONV_ISA" in last
    assert missing[0] in last
    assert "baseline" in last


def test_configuration(subtests, capsys):
    told = ndconv.show_config(mode="dicts")
    assert set(told) >= {"version", "instruction_set", "instruction_sets_built", "compiler", "openmp", "workers"}
    assert told["version"] == ndconv.__version__
    assert told["instruction_set"] == ndconv._core.level()
    assert set(LEVELS) <= set(told["instruction_sets_built"])
    assert told["workers"] >= 1
    assert capsys.readouterr().out == ""
    assert ndconv.show_config() is None
    printed = capsys.readouterr().out
    for name in ("version", "instruction_set", "compiler", "openmp", "workers"):
        with subtests.test(name=name):
            assert str(told[name]) in printed
