import { NativeSelect } from "@mantine/core";
import type { ReactNode } from "react";
import { useNavigate } from "react-router";
import type { ViewerQuery } from "../gql/graphql";
import type { TenantPlace } from "./tenant";

interface TenantSwitchProps {
  current: TenantPlace | undefined;
  memberships: ViewerQuery["viewer"]["memberships"];
}

export function TenantSwitch({ current, memberships }: TenantSwitchProps): ReactNode {
  const navigate = useNavigate();
  const data = memberships.map(({ tenant }) => ({ value: tenant.slug, label: tenant.name }));
  return (
    <NativeSelect
      aria-label="Tenant"
      className="tenant-switch"
      data={current ? data : [{ value: "", label: "Choose a tenant" }, ...data]}
      onChange={({ currentTarget }) => void navigate(`/t/${currentTarget.value}/operations`)}
      size="xs"
      value={current?.slug ?? ""}
    />
  );
}
