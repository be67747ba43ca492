"""What the cases of a table are called: each row changes something in a call that is right."""

import numpy as np


def shown(value):
    if isinstance(value, np.ndarray):
        return f"{value.dtype}{value.shape}"
    if isinstance(value, dict):
        return ", ".join(f"{k}={shown(v)}" for k, v in value.items())
    return repr(value)


def names_of_rows(table):
    return [shown(row[0]) for row in table]


def names_of_changes(table):
    """Return the same with the shapes of arrays alone."""
    rows = [row[0].items() for row in table]
    return [", ".join(f"{k}={v.shape if isinstance(v, np.ndarray) else v!r}" for k, v in row) for row in rows]
