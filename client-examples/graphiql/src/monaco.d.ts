declare module "monaco-editor/esm/vs/editor/editor.worker.js" {
  export function initialize(create: (context: never, data: never) => unknown): void;
}
