"""Changing a tenant's settings."""

from dataclasses import replace
from typing import Annotated

import strawberry
from strawberry import argument, field

from domain.errors import UserInputError
from gql.audit import audit
from gql.completion import completes
from gql.context import Info
from gql.tenant import Tenant
from gql.user_errors import UserError


@strawberry.input(description="The settings to change.")
class UpdateTenantSettingsInput:
    tenant_id: strawberry.ID = field(description="The id of the tenant.")
    retention_days: int = field(description="The number of days to keep finished runs, 1 to 3650.")


@strawberry.type(description="The result of `updateTenantSettings`.")
class UpdateTenantSettingsPayload:
    tenant: Tenant | None = field(description="The tenant; null if there are user errors.")
    user_errors: list[UserError] = field(description="Errors the user can fix; empty on success.")


@strawberry.type
class TenancyMutations:
    @strawberry.mutation(description="Change a tenant's settings. Requires the role OWNER.")
    @completes
    async def update_tenant_settings(
        self,
        info: Info,
        input: Annotated[  # noqa: A002
            UpdateTenantSettingsInput, argument(description="The settings to change.")
        ],
    ) -> UpdateTenantSettingsPayload:
        access, _ = await info.context.locate(input.tenant_id, "Tenant")
        try:
            tenant = await info.context.cases.tenancy.set_retention(access, input.retention_days)
        except UserInputError as error:
            return UpdateTenantSettingsPayload(tenant=None, user_errors=[UserError.of(error)])
        audit("settings.change", access)
        return UpdateTenantSettingsPayload(
            tenant=replace(access, tenant=tenant),  # type: ignore[arg-type]
            user_errors=[],
        )
