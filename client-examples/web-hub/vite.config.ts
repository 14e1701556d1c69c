import { createHash } from "node:crypto";
import { readFile } from "node:fs/promises";
import { InMemoryCache } from "@apollo/client";
import react from "@vitejs/plugin-react";
import { type DocumentNode, print } from "graphql";
import { defineConfig, type Plugin, transformWithOxc } from "vite";

export default defineConfig({
  plugins: [react(), persistedDocuments()],
  build: {
    outDir: "build",
    // The build contains other people's code.
    license: { fileName: "LICENSES.md" },
    rolldownOptions: {
      output: {
        // Chunks of packages keep their names when only the hub changes, so they stay in the
        // browser's cache. Lazy routes make each page a separate chunk.
        codeSplitting: {
          groups: [
            { name: "react", test: /node_modules[\\/](react|react-dom|scheduler|react-router)[\\/]/ },
            { name: "apollo", test: /node_modules[\\/](@apollo|graphql|graphql-ws|rxjs|@wry|optimism)[\\/]/ },
          ],
        },
      },
    },
  },
  // `npm run dev` serves the pages; `make dev` serves the API.
  server: { proxy: { "/graphql": { target: "http://127.0.0.1:8000", ws: true } } },
  preview: { proxy: { "/graphql": { target: "http://127.0.0.1:8000", ws: true } } },
});

/** Write the exact documents that the hub sends, for `opsrun documents add`. */
function persistedDocuments(): Plugin {
  return {
    name: "persisted-documents",
    apply: "build",
    async generateBundle() {
      const generated = new URL("src/gql/graphql.ts", import.meta.url);
      const { code } = await transformWithOxc(await readFile(generated, "utf8"), "graphql.ts");
      const exported: Record<string, DocumentNode> = await import(
        `data:text/javascript,${encodeURIComponent(code)}`
      );
      // The cache adds to every document before it is sent.
      const cache = new InMemoryCache();
      const texts = Object.values(exported)
        .filter(({ definitions }) => definitions.some(({ kind }) => kind === "OperationDefinition"))
        .map((document) => print(cache.transformDocument(document)));
      const manifest = texts.map((text) => [createHash("sha256").update(text).digest("hex"), text]);
      this.emitFile({
        type: "asset",
        fileName: "persisted-documents.json",
        source: JSON.stringify(Object.fromEntries(manifest), null, 2),
      });
    },
  };
}
