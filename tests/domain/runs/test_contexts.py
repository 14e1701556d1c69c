"""What a context may hold, before its run type's model reads it."""

import pytest

from domain.errors import InvalidContextError
from domain.runs.contexts import MAX_DEPTH, Parameters, read_context


class CakeParameters(Parameters):
    flavour: str = ""
    eggs_per_cake: int = 0


def problems(context: object) -> list[tuple[tuple[str, ...], str]]:
    with pytest.raises(InvalidContextError) as raised:
        read_context(CakeParameters, context)
    return [(problem.path, problem.message) for problem in raised.value.problems]


def test_json_has_camel_case_and_python_has_not() -> None:
    parameters = read_context(CakeParameters, {"flavour": "lemon", "eggsPerCake": 4})
    assert parameters == CakeParameters(flavour="lemon", eggs_per_cake=4)
    assert parameters.model_dump(by_alias=True) == {"flavour": "lemon", "eggsPerCake": 4}


@pytest.mark.parametrize("number", [2**63, -(2**63) - 1, 10**400])
def test_an_integer_of_more_than_64_bits_is_refused(number: int) -> None:
    [(path, message)] = problems({"eggsPerCake": number})
    assert path == ("eggsPerCake",)
    assert "at most 64 bits" in message


@pytest.mark.parametrize("number", [float("inf"), float("-inf"), float("nan"), 1e20, -1e20])
def test_a_number_that_the_database_would_return_as_a_longer_one_is_refused(number: float) -> None:
    assert problems({"eggsPerCake": number}) == [(("eggsPerCake",), "The number is too large.")]


@pytest.mark.parametrize("text", ["a\x00b", "\ud800", "\udfff"])
def test_text_that_cannot_be_stored_is_refused(text: str) -> None:
    [(path, message)] = problems({"flavour": text})
    assert path == ("flavour",)
    assert "cannot be stored" in message
    [(path, message)] = problems({text: "lemon"})
    assert path == ()
    assert "A key contains" in message


def test_depth_is_bounded() -> None:
    value: object = "lemon"
    for _ in range(MAX_DEPTH):
        value = [value]
    [(path, message)] = problems({"flavour": value})
    assert len(path) == MAX_DEPTH + 1
    assert "nested deeper than 16 levels" in message


def test_many_problems_are_shortened() -> None:
    assert len(problems({f"extra{number}": number for number in range(100)})) == 20


def test_a_secret_in_a_message_is_not_repeated() -> None:
    key = "postgresql://reader:hunter2@db.example/cakes"
    [(path, message)] = problems({"eggsPerCake": key})
    assert path == ("eggsPerCake",)
    assert "hunter2" not in message
