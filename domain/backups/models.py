"""Backup sets, which keep copies of policies (P3)."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from pydantic import Field

from domain.runs.contexts import Parameters

RESOURCE = "backup_set"
ACTION = "add_policies"
RUN_TYPE = f"{RESOURCE}.{ACTION}"


@dataclass(frozen=True, slots=True)
class BackupSet:
    """A named set of copies of policies."""

    tenant_id: UUID
    id: UUID
    name: str
    created_by_name: str
    created_at: datetime
    policy_count: int


@dataclass(frozen=True, slots=True)
class BackedUpPolicy:
    """A copy of a policy in a backup set."""

    tenant_id: UUID
    backup_set_id: UUID
    scope_key: str
    policy_id: str
    name: str
    policy_type: str
    added_at: datetime


class AddPolicies(Parameters):
    """The parameters of `backup_set.add_policies`."""

    backup_set_id: UUID = Field(description="The backup set that receives the policies.")
    policies: Sequence[tuple[str, str]] = Field(
        description="The policies, each as its scope's key and its id."
    )

    @property
    def context(self) -> dict[str, Any]:
        """The parameters as a run's context; the policies are sorted and unique."""
        return {
            "backupSetId": str(self.backup_set_id),
            "policies": sorted({(scope, policy) for scope, policy in self.policies}),
        }
