"""Errors that a user can fix, as part of a payload instead of a GraphQL error."""

import strawberry
from pydantic.alias_generators import to_camel
from strawberry import field

from domain.errors import ContextProblem, UserErrorCode, UserInputError

# The fields of mutation inputs, by the use cases' parameters.
INPUT_FIELDS = {
    "backup_set_id": "backupSetId",
    "days": "retentionDays",
    "name": "name",
    "policies": "policyIds",
    "run_type": "runType",
    "scope_key": "scopeKey",
}


@strawberry.type(description="An error in the input that the user can fix.")
class UserError:
    code: UserErrorCode = field(description="A stable code to switch on.")
    message: str = field(description="What the user should do, as text to show.")
    field: list[str] = field(description="The path of the input field to change.")

    @classmethod
    def of(cls, error: UserInputError) -> "UserError":
        """Return the payload's form of the domain's error."""
        path = [] if error.argument is None else [INPUT_FIELDS[error.argument]]
        return cls(code=error.code, message=error.message, field=["input", *path])

    @classmethod
    def of_context(cls, error: UserInputError) -> "UserError":
        """Return the error of a start whose parameters came as a context."""
        path = [] if error.argument is None else ["context", to_camel(error.argument)]
        return cls(code=error.code, message=error.message, field=["input", *path])

    @classmethod
    def of_problem(cls, problem: ContextProblem) -> "UserError":
        """Return what is wrong with a value of a context."""
        return cls(
            code=UserErrorCode.INVALID_CONTEXT,
            message=problem.message,
            field=["input", "context", *problem.path],
        )
