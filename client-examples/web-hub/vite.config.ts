import react from "@vitejs/plugin-react";
import { defineConfig } from "vite";

export default defineConfig({
  plugins: [react()],
  build: { outDir: "build" },
  // `npm run dev` beside `make dev`: the pages from here, the API from there.
  server: { proxy: { "/graphql": { target: "http://127.0.0.1:8000", ws: true } } },
  preview: { proxy: { "/graphql": { target: "http://127.0.0.1:8000", ws: true } } },
});
