import { useOutletContext } from "react-router";
import type { ProviderKind, TenantRole } from "../gql/graphql";
import type { TitleOf } from "./runTypes";

/** The tenant of the address, as seen by its member. */
export interface TenantPlace {
  id: string;
  slug: string;
  name: string;
  role: TenantRole;
  /** Where its policies are read from; null if that is not set. */
  provider: ProviderKind | null;
  titleOf: TitleOf;
}

export function useTenant(): TenantPlace {
  return useOutletContext<TenantPlace>();
}
