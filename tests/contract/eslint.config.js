import { readdirSync } from "node:fs";
import graphql from "@graphql-eslint/eslint-plugin";
import typescript from "@typescript-eslint/parser";

// Relative to the project's root, where `npm run lint` goes.
const SCHEMA = "schema.graphql";
const EXAMPLES = "client-examples";
const GENERATED = ["**/.venv/", "**/build/", "**/gql/", "**/__generated__/"];

const projects = { contract: { schema: SCHEMA } };
for (const example of readdirSync(EXAMPLES)) {
  // A separate project, so that its document names do not clash with those of other examples.
  projects[example] = {
    schema: SCHEMA,
    documents: `${EXAMPLES}/${example}/**/*.{graphql,ts,tsx}`,
    exclude: [...GENERATED, "**/node_modules/"].map((folder) => `${folder}**`),
  };
}
const { configs, parser, processor } = graphql;
const plugins = { "@graphql-eslint": graphql };
const languageOptions = { parser, parserOptions: { graphQLConfig: { projects } } };

const schema = {
  files: [SCHEMA],
  plugins,
  languageOptions,
  rules: {
    ...configs["flat/schema-all"].rules,
    ...configs["flat/schema-relay"].rules,
    "@graphql-eslint/require-description": [
      "error",
      {
        types: true,
        rootField: true,
        DirectiveDefinition: true,
        EnumValueDefinition: true,
        FieldDefinition: true,
        InputValueDefinition: true,
      },
    ],
    "@graphql-eslint/input-name": [
      "error",
      { checkInputType: true, caseSensitiveInputType: false },
    ],
    // Most lists are only read forward.
    "@graphql-eslint/relay-arguments": ["error", { includeBoth: false }],
    // Members without an identity, as the events of a run, are no nodes. Connections have `nodes`
    // beside `edges`, and lists that are short by nature are no connections.
    "@graphql-eslint/relay-edge-types": [
      "error",
      { withEdgeSuffix: true, shouldImplementNode: false, listTypeCanWrapOnlyEdgeType: false },
    ],
    // What has an identity implements Node; counts, changes and answers have none.
    "@graphql-eslint/strict-id-in-types": "off",
    // A policy has two ids: `id` is ours, and `policyId` the provider's.
    "@graphql-eslint/no-typename-prefix": "off",
    // Things stand in the order in which they are best read.
    "@graphql-eslint/alphabetize": "off",
    // For schemas that must not be written to or watched.
    "@graphql-eslint/no-root-type": "off",
    // Wants an argument of `@deprecated` that the language does not know; docs/api.md says how
    // long a deprecated field stays.
    "@graphql-eslint/require-deprecation-date": "off",
    // An answer holds what it changed; the rest comes by subscription.
    "@graphql-eslint/require-field-of-type-query-in-mutation-result": "off",
    // The roots answer or are refused: without them there is nothing to show.
    "@graphql-eslint/require-nullable-result-in-root": "off",
  },
};

const documents = {
  files: [`${EXAMPLES}/**/*.graphql`],
  plugins,
  languageOptions,
  rules: {
    ...configs["flat/operations-recommended"].rules,
    // Only of use to a client with a normalized cache.
    "@graphql-eslint/require-selections": "off",
    // The API limits depth itself, and each example has a different style.
    "@graphql-eslint/selection-set-depth": "off",
    "@graphql-eslint/naming-convention": "off",
  },
};

const code = {
  files: [`${EXAMPLES}/*/src/**/*.{ts,tsx}`],
  languageOptions: { parser: typescript },
  // Comments for an example's linter are not for this one.
  linterOptions: { noInlineConfig: true, reportUnusedDisableDirectives: "off" },
  processor,
};

export default [{ ignores: GENERATED }, schema, documents, code];
