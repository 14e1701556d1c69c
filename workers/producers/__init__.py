"""The producers of the declared run types."""

from collections.abc import Mapping
from importlib import import_module

from domain.errors import DeclarationError
from domain.runs.run_types import run_types
from workers.producers.producer import Producer


def load_producers() -> Mapping[str, Producer]:
    """Return a producer for each run type of this installation.

    Raises:
        DeclarationError: a producer cannot be loaded.
    """
    return {name: _load(name, run_type.producer) for name, run_type in run_types().items()}


def _load(run_type: str, path: str) -> Producer:
    module, _, name = path.partition(":")
    try:
        producer: Producer = getattr(import_module(module), name)()
    except Exception as error:
        raise DeclarationError(
            f"The producer {path} of {run_type} cannot be loaded: {type(error).__name__}: {error}"
        ) from error
    if not callable(getattr(producer, "run", None)):
        raise DeclarationError(f"The producer {path} of {run_type} has no method `run`.")
    return producer
