import { useOutletContext } from "react-router";
import type { TenantRole } from "../gql/graphql";

/** The tenant that the address names, as its member sees it. */
export interface TenantPlace {
  id: string;
  slug: string;
  name: string;
  role: TenantRole;
}

export function useTenant(): TenantPlace {
  return useOutletContext<TenantPlace>();
}
