"""What a user can mend, as part of an answer instead of an error (graphql.md)."""

import strawberry

from domain.errors import UserErrorCode, UserInputError


@strawberry.type(description="Something about the input that the user can mend.")
class UserError:
    """GraphQL form of `domain.errors.UserInputError`."""

    code: UserErrorCode = strawberry.field(description="A stable code to switch on.")
    message: str = strawberry.field(description="What to do, in words for the user.")
    field: list[str] = strawberry.field(description="The path of the input to change.")

    @classmethod
    def of(cls, error: UserInputError) -> "UserError":
        """Wrap the domain's error."""
        return cls(code=error.code, message=error.message, field=["input", *error.field])
