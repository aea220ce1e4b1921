"""Puts together what `explore` stores, by another program than the page's."""

DIGITS = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz-_"


def text_of(parts: list, state: int) -> str:
    """The text of a state: shared parts as they are, others by the state's choice of version."""
    pieces = []
    for part in parts:
        if isinstance(part, str):
            pieces.append(part)
            continue
        versions, choices = part
        width = 1 if len(versions) <= len(DIGITS) else 2
        number = 0
        for digit in choices[width * state : width * (state + 1)]:
            number = number * len(DIGITS) + DIGITS.index(digit)
        pieces.append(versions[number])
    return "".join(pieces)
