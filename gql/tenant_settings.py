"""Changing a tenant's settings (T1: owners)."""

from dataclasses import replace
from typing import Annotated

import strawberry

from domain.errors import UserInputError
from domain.tenancy.models import TenantAccess
from gql.audit import audit, run_to_completion
from gql.context import Info
from gql.tenant import Tenant
from gql.user_errors import UserError


@strawberry.input(description="The settings to change.")
class UpdateTenantSettingsInput:
    """Input of `updateTenantSettings`."""

    tenant_id: strawberry.ID = strawberry.field(description="The tenant.")
    retention_days: int = strawberry.field(
        description="For how many days finished runs are kept, 1 to 3650."
    )


@strawberry.type(description="The answer to `updateTenantSettings`.")
class UpdateTenantSettingsPayload:
    """The tenant as it is now, or what to mend."""

    tenant: Tenant | None = strawberry.field(description="The tenant; null with user errors.")
    user_errors: list[UserError] = strawberry.field(description="What to mend; empty on success.")


@strawberry.type
class TenancyMutations:
    """The mutations about tenants."""

    @strawberry.mutation(description="Change a tenant's settings; requires the role OWNER.")
    async def update_tenant_settings(
        self,
        info: Info,
        input: Annotated[  # noqa: A002
            UpdateTenantSettingsInput, strawberry.argument(description="The settings.")
        ],
    ) -> UpdateTenantSettingsPayload:
        access, _ = await info.context.locate(input.tenant_id, "Tenant")
        changing = _change(input.retention_days, access, info)
        return await run_to_completion(changing, info.context)


async def _change(
    retention_days: int, access: TenantAccess, info: Info
) -> UpdateTenantSettingsPayload:
    try:
        tenant = await info.context.cases.tenancy.set_retention(access, retention_days)
    except UserInputError as error:
        return UpdateTenantSettingsPayload(tenant=None, user_errors=[UserError.of(error)])
    audit("settings.change", info.context, access)
    return UpdateTenantSettingsPayload(
        tenant=replace(access, tenant=tenant),  # type: ignore[arg-type]
        user_errors=[],
    )
