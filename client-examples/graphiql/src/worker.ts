// What the editor does in the background. Monaco gives each kind of worker a name; one file serves
// all kinds, which have most of their code in common.

import "monaco-editor/esm/vs/language/json/json.worker.js";
import { initialize } from "monaco-editor/esm/vs/editor/editor.worker.js";
import { GraphQLWorker } from "monaco-graphql/esm/GraphQLWorker.js";

// The import above already handles the first message as the worker for JSON, which does as well
// for tasks that need no language.
if (self.name === "graphql") {
  self.onmessage = () => initialize((context, data) => new GraphQLWorker(context, data));
}
