import { expect, test } from "vitest";
import { formatsText, providerText } from "./formats";

test("one usual format needs no name", () => {
  expect(formatsText([{ format: "GRAPH_OBJECT", policyCount: 1 }])).toBe("1 policy");
});

test("other formats are named with their numbers", () => {
  expect(formatsText([{ format: "CIPP", policyCount: 2 }])).toBe("2 policies: 2 CIPP templates");
  expect(
    formatsText([
      { format: "GRAPH_OBJECT", policyCount: 1200 },
      { format: "PORTAL", policyCount: 34 },
    ]),
  ).toBe("1,234 policies: 1,200 Graph objects, 34 portal exports");
});

test("a provider or format of a newer server is named by its code", () => {
  // @ts-expect-error - a newer server's value
  expect(providerText("SOME_OTHER")).toBe("Policies are read from Some other.");
  // @ts-expect-error - a newer server's value
  expect(formatsText([{ format: "NEW_TOOL", policyCount: 3 }])).toBe("3 policies: 3 New tool");
  expect(providerText(null)).toBe("No provider is set for this tenant.");
});
