import type { PolicyFormat, PolicyFormatCount, ProviderKind } from "../gql/graphql";
import { count, counted, words } from "../ui/words";

type Formats = readonly Pick<PolicyFormatCount, "format" | "policyCount">[];

const FORMATS: Partial<Record<PolicyFormat, string>> = {
  GRAPH_OBJECT: "Graph objects",
  PORTAL: "portal exports",
  INTUNE_CD_JSON: "IntuneCD JSON",
  INTUNE_CD_YAML: "IntuneCD YAML",
  CIPP: "CIPP templates",
};

const PROVIDERS: Partial<Record<ProviderKind, string>> = {
  DIRECTORY: "Policies are read from a folder of exports.",
  GRAPH: "Policies are read from Microsoft Graph.",
};

/** Where a tenant's policies come from, as a sentence. */
export function providerText(provider: ProviderKind | null): string {
  if (!provider) {
    return "No provider is set for this tenant.";
  }
  return PROVIDERS[provider] ?? `Policies are read from ${words(provider)}.`;
}

/** `7 policies`, or `7 policies: 5 Graph objects, 2 CIPP templates`. */
export function formatsText(formats: Formats): string {
  const all = counted(
    formats.reduce((sum, { policyCount }) => sum + policyCount, 0),
    "policy",
    "policies",
  );
  const [only] = formats;
  if (formats.length === 1 && only?.format === "GRAPH_OBJECT") {
    return all;
  }
  const parts = formats.map(
    ({ format, policyCount }) => `${count(policyCount)} ${FORMATS[format] ?? words(format)}`,
  );
  return `${all}: ${parts.join(", ")}`;
}
