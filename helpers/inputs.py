"""What functions of several chapters ask of the numbers that they are given."""

from numbers import Integral

__all__ = ["require_count"]


def require_count(name: str, number: object, least: int = 1) -> int:
    """The number as Python's own: NumPy's whole numbers are welcome, but overflow.

    Raises:
        ValueError: If it is no whole number, or below `least`.
    """
    if not isinstance(number, Integral) or isinstance(number, bool) or number < least:
        raise ValueError(f"needed {name} to be a whole number from {least} on, got {number!r:.60}")
    return int(number)
