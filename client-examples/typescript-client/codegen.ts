import type { CodegenConfig } from "@graphql-codegen/cli";

const config: CodegenConfig = {
  importExtension: ".js",
  schema: "../../schema.graphql",
  documents: "src/*.ts",
  generates: {
    "src/gql/": {
      preset: "client",
      presetConfig: {
        fragmentMasking: false,
        // Writes persisted-documents.json, which an operator registers.
        persistedDocuments: { hashAlgorithm: "sha256" },
      },
      config: {
        avoidOptionals: { field: true },
        enumsAsTypes: true,
        importExtension: ".js",
        onlyOperationTypes: true,
        scalars: { DateTime: "string", JSON: "unknown" },
        skipTypename: true,
        strictScalars: true,
        useTypeImports: true,
      },
    },
  },
};

export default config;
