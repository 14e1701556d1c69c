"""Random numbers that can be drawn again."""

from random import Random


def seeded(seed: int) -> Random:
    """Return a source that is the same for the same seed."""
    return Random(seed)  # noqa: S311 - chance, not secrecy


def child_of(random: Random) -> Random:
    """Return a source of its own for something that runs beside others."""
    return seeded(random.getrandbits(64))
