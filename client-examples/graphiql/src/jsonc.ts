// Formats variables and headers in place of Prettier's plugins for JavaScript, which are four times
// as large as the rest of Prettier that is needed.

import { applyEdits, format } from "jsonc-parser";

export const parsers = {
  jsonc: {
    parse: (text: string) => text,
    astFormat: "jsonc",
    locStart: () => 0,
    locEnd: (text: string) => text.length,
  },
};
export const printers = {
  jsonc: {
    print: ({ node }: { node: string }) =>
      applyEdits(node, format(node, undefined, { insertSpaces: true, tabSize: 2 })),
  },
};
