"""Reproducible random numbers."""

from random import Random


def seeded(seed: int) -> Random:
    """Return a generator that is the same for the same seed."""
    return Random(seed)  # noqa: S311 - chance, not secrecy


def child_of(random: Random) -> Random:
    """Return an independent generator for a concurrent task."""
    return seeded(random.getrandbits(64))
