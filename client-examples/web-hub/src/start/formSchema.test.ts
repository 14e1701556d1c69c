import { describe, expect, test } from "vitest";
import { formSchema } from "./formSchema";

const OBJECT = { type: "object", additionalProperties: false } as const;

describe("the schema of a form", () => {
  test("has no title, because the page has one", () => {
    expect(formSchema({ ...OBJECT, title: "Parameters", description: "Of a run." })).toEqual(OBJECT);
  });

  test("has tuples as in draft 7, also within lists and definitions", () => {
    const pair = { type: "array", prefixItems: [{ type: "string" }, { type: "integer" }], minItems: 2 };
    const old = { type: "array", items: pair.prefixItems, additionalItems: false, minItems: 2 };
    expect(
      formSchema({
        ...OBJECT,
        properties: { pairs: { type: "array", items: pair } },
        required: ["pairs"],
        $defs: { Pair: pair },
      }),
    ).toEqual({
      ...OBJECT,
      properties: { pairs: { type: "array", items: old } },
      required: ["pairs"],
      $defs: { Pair: old },
    });
  });

  test("leaves out null where a value may be left out", () => {
    const orNull = { anyOf: [{ type: "string", format: "date" }, { type: "null" }], title: "Since" };
    const either = { anyOf: [{ type: "string" }, { type: "integer" }, { type: "null" }], default: null };
    const schema = {
      ...OBJECT,
      properties: { since: { ...orNull, default: null }, either, must: orNull },
      required: ["must"],
    };
    expect(formSchema(schema).properties).toEqual({
      since: { type: "string", format: "date", title: "Since" },
      either: { anyOf: [{ type: "string", title: "Text" }, { type: "integer", title: "Whole number" }] },
      must: {
        anyOf: [
          { type: "string", format: "date", title: "Text" },
          { type: "null", title: "Nothing" },
        ],
        title: "Since",
        default: null,
      },
    });
  });

  test("keeps the choice of null for an object, a list or a boolean", () => {
    const Box = { ...OBJECT, properties: { size: { type: "integer" } }, required: ["size"] };
    const Color = { type: "string", enum: ["red", "blue"] };
    const orNull = (schema: object) => ({ anyOf: [schema, { type: "null" }], default: null });
    const properties = {
      box: orNull({ $ref: "#/$defs/Box" }),
      color: orNull({ $ref: "#/$defs/Color" }),
      list: orNull({ type: "array", items: { type: "string" } }),
      yes: orNull({ type: "boolean" }),
    };
    const nothing = { type: "null", title: "Nothing" };
    expect(formSchema({ ...OBJECT, properties, $defs: { Box, Color } }).properties).toEqual({
      box: { anyOf: [{ $ref: "#/$defs/Box" }, nothing], default: null },
      color: { $ref: "#/$defs/Color" },
      list: { anyOf: [{ type: "array", items: { type: "string" }, title: "List" }, nothing], default: null },
      yes: { anyOf: [{ type: "boolean", default: false, title: "Yes or no" }, nothing], default: null },
    });
  });

  test("keeps the default of a value that may be null", () => {
    const limit = { anyOf: [{ type: "integer" }, { type: "null" }], default: 5 };
    expect(formSchema({ ...OBJECT, properties: { limit } }).properties).toEqual({
      limit: { type: "integer", default: 5 },
    });
  });

  test("takes a box that is not checked as false", () => {
    const properties = { notify: { type: "boolean" }, keep: { type: "boolean", default: true } };
    expect(formSchema({ ...OBJECT, properties, required: ["notify"] })).toEqual({
      ...OBJECT,
      properties: { notify: { type: "boolean", default: false }, keep: { type: "boolean", default: true } },
      required: [],
    });
  });

  test("does not change the schema of the API", () => {
    const schema = { ...OBJECT, properties: { flag: { type: "boolean" } }, required: ["flag"] };
    const before = structuredClone(schema);
    formSchema(schema);
    expect(schema).toEqual(before);
  });
});
