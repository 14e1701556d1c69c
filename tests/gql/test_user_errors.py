"""Errors that a user can fix name the field of the mutation's input."""

import ast
from pathlib import Path

import domain
from domain.errors import UserErrorCode, UserInputError
from gql.user_errors import INPUT_FIELDS, UserError


def test_the_path_leads_to_the_field_of_the_input() -> None:
    error = UserInputError(UserErrorCode.INVALID_SCOPE_KEY, "Choose another.", "scope_key")
    assert UserError.of(error).field == ["input", "scopeKey"]
    full = UserInputError(UserErrorCode.TOO_MANY_ACTIVE_RUNS, "Wait.")
    assert UserError.of(full).field == ["input"]


def test_every_argument_of_the_domain_has_a_field() -> None:
    arguments = set()
    for path in Path(domain.__file__).parent.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Call) and getattr(node.func, "id", "") == "UserInputError":
                arguments |= {ast.literal_eval(argument) for argument in node.args[2:]}
    assert arguments == set(INPUT_FIELDS)
