import { useOutletContext } from "react-router";
import type { TenantRole } from "../gql/graphql";

/** The tenant of the address, as seen by its member. */
export interface TenantPlace {
  id: string;
  slug: string;
  name: string;
  role: TenantRole;
}

export function useTenant(): TenantPlace {
  return useOutletContext<TenantPlace>();
}
