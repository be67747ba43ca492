"""The share of the processors that a control group allows."""

import numpy as np
import pytest

from ndconv._threads.quota import read_quota


@pytest.mark.parametrize(
    ("membership", "files", "quota"),
    [
        ("0::/\n", {"cpu.max": "150000 100000\n"}, 1.5),
        ("0::/\n", {"cpu.max": "max 100000\n"}, np.inf),
        ("0::/a.slice/b\n", {"a.slice/cpu.max": "200000 100000\n", "a.slice/b/cpu.max": "max 100000\n"}, 2.0),
        ("0::/a.slice/b\n", {"a.slice/cpu.max": "200000 100000\n", "a.slice/b/cpu.max": "50000 100000\n"}, 0.5),
        ("0::/of/the/host\n", {"cpu.max": "300000 100000\n"}, 3.0),
        ("4:cpu,cpuacct:/c\n0::/\n", {"cpu/c/cpu.cfs_quota_us": "70000\n", "cpu/c/cpu.cfs_period_us": "35000\n"}, 2.0),
        ("4:cpu:/\n", {"cpu/cpu.cfs_quota_us": "-1\n", "cpu/cpu.cfs_period_us": "100000\n"}, np.inf),
        ("2:cpuacct:/\n", {}, np.inf),
        (None, {}, np.inf),
    ],
)
def test_quota(tmp_path, membership, files, quota):
    if membership is not None:
        (tmp_path / "membership").write_text(membership)
    for name, text in files.items():
        (tmp_path / "groups" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "groups" / name).write_text(text)
    assert read_quota(str(tmp_path / "groups"), str(tmp_path / "membership")) == quota
