import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { defineConfig, type Plugin } from "vite";

const jsonc = fileURLToPath(new URL("src/jsonc.ts", import.meta.url));

export default defineConfig({
  // The page is served at /graphiql/, perhaps below a prefix.
  base: "./",
  plugins: [notices()],
  // graphql looks here before it reads NODE_ENV; without it, it works as in development.
  define: { "globalThis.process": "true" },
  resolve: {
    alias: [
      { find: /^prettier\/(plugins\/estree|parser-babel)$/, replacement: jsonc },
      // The same plugin under its old name, in another module format.
      { find: "prettier/parser-graphql", replacement: "prettier/plugins/graphql" },
    ],
  },
  build: {
    outDir: "../../gql/transport/graphiql_files",
    emptyOutDir: true,
    // The page's policy allows fonts from files only.
    assetsInlineLimit: 0,
    modulePreload: false,
    chunkSizeWarningLimit: 3000,
    license: { fileName: "LICENSES.md" },
    rolldownOptions: {
      // The worker is an entry, so that it shares chunks with the page.
      input: ["index.html", "src/worker.ts"],
      // The files are committed: their names stay.
      output: {
        entryFileNames: "[name].js",
        chunkFileNames: "[name].js",
        assetFileNames: "[name][extname]",
      },
      onwarn(warning, warn) {
        // Of packages that are also for servers.
        if (warning.code !== "MODULE_LEVEL_DIRECTIVE") warn(warning);
      },
    },
  },
});

/** Write the notices of packages that contain other people's code. */
function notices(): Plugin {
  return {
    name: "notices",
    async generateBundle(_, bundle) {
      const modules = Object.values(bundle).flatMap((file) => (file.type === "chunk" ? file.moduleIds : []));
      const packages = modules.map((id) => id.match(/^.*node_modules\/(@[^/]+\/)?[^/]+/)?.[0] ?? "src");
      const texts: string[] = [];
      for (const folder of [...new Set(packages)].sort()) {
        for (const name of await readdir(folder)) {
          if (/^third-?party/i.test(name)) texts.push(await readFile(join(folder, name), "utf8"));
        }
      }
      this.emitFile({ type: "asset", fileName: "NOTICES.md", source: texts.join("\n") });
    },
  };
}
