"""Fewer cases than the product of three lists of parameters."""


def paired(first, second, third):
    """Return cases in which any two values of different lists meet; those of the third list, the shortest, take turns.

    In a product, each two would meet all of the third.
    """
    assert len(third) <= min(len(first), len(second))
    return [(a, b, third[(i + j) % len(third)]) for i, a in enumerate(first) for j, b in enumerate(second)]
