"""How a stopper words its verdict: numbers as short as they can be and still say the difference."""

from __future__ import annotations


def distinct(a: float, b: float) -> tuple[str, str]:
    """Two numbers with four digits, or as many more as it takes to tell them apart.

    >>> distinct(0.53, 0.41), distinct(0.123456, 0.123453)
    (('0.53', '0.41'), ('0.12346', '0.12345'))
    """
    for digits in range(4, 17):
        texts = f"{a:.{digits}g}", f"{b:.{digits}g}"
        if a == b or texts[0] != texts[1]:
            return texts
    return repr(a), repr(b)


def share(eta: float) -> str:
    """`half`, `third`, `1/2.5`: what goes on when 1/eta does."""
    return _SHARES.get(float(eta), f"1/{eta:g}")


_SHARES = {2.0: "half", 3.0: "third", 4.0: "quarter"}


def values(n: int) -> str:
    """`1 value`, `9 values`."""
    return "1 value" if n == 1 else f"{n} values"
