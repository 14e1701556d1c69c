"""Errors that a user can fix, as part of a payload instead of a GraphQL error."""

import strawberry
from strawberry import field

from domain.errors import UserErrorCode, UserInputError

# The fields of mutation inputs, by the use cases' parameters.
INPUT_FIELDS = {
    "backup_set_id": "backupSetId",
    "days": "retentionDays",
    "name": "name",
    "policies": "policyIds",
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
