"""Runs a piece of Python in a process of its own, with a time limit and a clean threading environment."""

import os
import subprocess
import sys
import textwrap
from pathlib import Path

CLEARED = ("OMP_NUM_THREADS", "OMP_THREAD_LIMIT", "OMP_DYNAMIC", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")


def start(code, timeout=120, **environment):
    """Run `code` and return the finished process; an environment variable given as None is removed."""
    env = {name: value for name, value in os.environ.items() if name not in CLEARED}
    env["PYTHONPATH"] = os.pathsep.join(filter(None, (str(Path(__file__).parents[1]), env.get("PYTHONPATH"))))
    for name, value in environment.items():
        env.pop(name, None)
        if value is not None:
            env[name] = value
    command = [sys.executable, "-c", textwrap.dedent(code)]
    return subprocess.run(command, env=env, capture_output=True, text=True, timeout=timeout, check=False)


def run(code, timeout=120, **environment):
    """Run `code`, assert that it succeeds, and return what it printed."""
    done = start(code, timeout, **environment)
    assert done.returncode == 0, f"exit status {done.returncode}\n{done.stdout}\n{done.stderr}"
    return done.stdout.strip()
