"""Runs a piece of Python in a process of its own, with a time limit and a clean threading environment."""

import os
import subprocess
import sys
import textwrap
from pathlib import Path

CLEARED = ("OMP_NUM_THREADS", "OMP_THREAD_LIMIT", "OMP_DYNAMIC", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")


def _environment(**changed):
    """Return the environment of a process; a variable given as None is removed."""
    env = {name: value for name, value in os.environ.items() if name not in CLEARED}
    env["PYTHONPATH"] = os.pathsep.join(filter(None, (str(Path(__file__).parents[1]), env.get("PYTHONPATH"))))
    for name, value in changed.items():
        env.pop(name, None)
        if value is not None:
            env[name] = value
    return env


def start(code, timeout=120, **environment):
    """Run `code` and return the finished process; an environment variable given as None is removed."""
    command = [sys.executable, "-c", textwrap.dedent(code)]
    env = _environment(**environment)
    return subprocess.run(command, env=env, capture_output=True, text=True, timeout=timeout, check=False)


def run(code, timeout=120, **environment):
    """Run `code`, assert that it succeeds, and return what it printed."""
    done = start(code, timeout, **environment)
    assert done.returncode == 0, f"exit status {done.returncode}\n{done.stdout}\n{done.stderr}"
    return done.stdout.strip()


#: Forks for each line that comes in, a piece of Python as a literal, and tells how it ended, after two minutes at most.
SERVER = """
import ast, os, signal, sys
for line in sys.stdin:
    child = os.fork()
    if child == 0:
        signal.alarm(120)
        exec(ast.literal_eval(line))
        sys.stdout.flush()
        os._exit(0)
    print("exit status", os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), flush=True)
"""


class Forks:
    """A process that has run a prelude; each piece of Python runs in a fork of it, which saves the imports."""

    def __init__(self, prelude):
        command = [sys.executable, "-c", textwrap.dedent(prelude) + SERVER]
        self.process = subprocess.Popen(
            command, env=_environment(), stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.communicate()

    def run(self, code):
        """Run `code`, assert that it succeeds, and return what it printed."""
        print(repr(textwrap.dedent(code)), file=self.process.stdin, flush=True)
        lines = []
        for line in self.process.stdout:
            if line.startswith("exit status"):
                assert line == "exit status 0\n", "".join([*lines, line])
                return "".join(lines).strip()
            lines.append(line)
        raise AssertionError("the process that forks has ended")
