"""Creating backup sets and starting to fill them."""

from typing import Annotated

import strawberry
from strawberry import argument, field

from domain.backups.models import AddPolicies
from domain.backups.run_type import ADD_POLICIES
from domain.errors import UserInputError
from gql.audit import audit
from gql.backups.queries import BackupSet
from gql.completion import completes
from gql.context import Info
from gql.inventory.queries import policy_key
from gql.runs.mutations import StartRunPayload, start_run
from gql.user_errors import UserError


@strawberry.input(description="The backup set to create.")
class CreateBackupSetInput:
    tenant_id: strawberry.ID = field(description="The id of the tenant.")
    name: str = field(description="The name: 1 to 100 characters, unique within the tenant.")


@strawberry.type(description="The result of `createBackupSet`.")
class CreateBackupSetPayload:
    backup_set: BackupSet | None = field(
        description="The new backup set; null if there are user errors."
    )
    user_errors: list[UserError] = field(description="Errors the user can fix; empty on success.")


@strawberry.input(description="The policies to copy and the backup set that receives them.")
class AddPoliciesToBackupSetInput:
    backup_set_id: strawberry.ID = field(description="The id of the backup set.")
    policy_ids: list[strawberry.ID] = field(
        description="The ids of the policies, at most 1,000. Duplicates count once."
    )


@strawberry.type
class BackupMutations:
    @strawberry.mutation(description="Create an empty backup set.")
    @completes
    async def create_backup_set(
        self,
        info: Info,
        input: Annotated[CreateBackupSetInput, argument(description="The backup set to create.")],  # noqa: A002
    ) -> CreateBackupSetPayload:
        access, _ = await info.context.locate(input.tenant_id, "Tenant")
        try:
            created = await info.context.cases.backups.create_set(access, input.name)
        except UserInputError as error:
            return CreateBackupSetPayload(backup_set=None, user_errors=[UserError.of(error)])
        audit("backup_set.create", access)
        return CreateBackupSetPayload(backup_set=BackupSet.of(created, access), user_errors=[])

    @strawberry.mutation(
        description="Start `backup_set.add_policies`, which copies policies from the current"
        " snapshots."
    )
    @completes
    async def add_policies_to_backup_set(
        self,
        info: Info,
        input: Annotated[  # noqa: A002
            AddPoliciesToBackupSetInput, argument(description="The policies to copy.")
        ],
    ) -> StartRunPayload:
        access, backup_set = await info.context.locate(input.backup_set_id, "BackupSet")
        policies = []
        for policy_id in input.policy_ids:
            _, policy = await info.context.locate(policy_id, "Policy", within=access)
            policies.append(policy_key(policy))
        parameters = AddPolicies(backup_set_id=backup_set.uuid_key(), policies=policies)
        return await start_run(info, access, ADD_POLICIES, parameters)
