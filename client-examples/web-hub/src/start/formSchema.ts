/** JSON Schemas of run types, as the form library needs them. */

import type { RJSFSchema } from "@rjsf/utils";

type Schema = RJSFSchema & { prefixItems?: Schema[] };

const TYPES: Readonly<Record<string, string>> = {
  array: "List",
  boolean: "Yes or no",
  integer: "Whole number",
  null: "Nothing",
  number: "Number",
  object: "Object",
  string: "Text",
};

/**
 * Return a copy of a schema that pydantic made, for a form:
 *
 * - The library knows tuples only as in draft 7.
 * - An optional text or number is left out, so its field needs no choice between a value and null.
 * - A box that is not checked means false.
 * - The alternatives of a union need names.
 * - The page has a title and description already.
 */
export function formSchema(schema: unknown): RJSFSchema {
  const root = schema as Schema;
  const { title: _title, description: _description, ...rest } = converted(root, root);
  return rest;
}

function converted(schema: Schema, root: Schema): Schema {
  const { prefixItems, properties, required, ...rest } = schema;
  const fields = (properties ?? {}) as Record<string, Schema>;
  return {
    ...mapped(rest, (part, key) => convertedPart(part, key, root)),
    ...(prefixItems && {
      items: prefixItems.map((item) => converted(item, root)),
      additionalItems: false,
    }),
    ...(properties && {
      properties: mapped(fields, (field, name) =>
        converted(required?.includes(name) ? startingWithNull(field) : withoutNull(field, root), root),
      ),
    }),
    ...(required && { required: required.filter((name) => fields[name]?.type !== "boolean") }),
    ...(schema.type === "boolean" && { default: schema.default ?? false }),
  };
}

function convertedPart(part: unknown, key: string, root: Schema): unknown {
  switch (key) {
    case "$defs":
      return mapped(part as Record<string, Schema>, (definition) => converted(definition, root));
    case "anyOf":
    case "oneOf":
      return (part as Schema[]).map((choice) => named(converted(choice, root)));
    case "allOf":
      return (part as Schema[]).map((schema) => converted(schema, root));
    case "additionalProperties":
    case "items":
      return typeof part === "object" ? converted(part as Schema, root) : part;
    default:
      return part;
  }
}

function named(choice: Schema): Schema {
  const title = TYPES[String(choice.type)];
  return title ? { title, ...choice } : choice;
}

function isNull({ type }: Schema): boolean {
  return type === "null";
}

/** A choice shows null at first, so null is what it sends. */
function startingWithNull(field: Schema): Schema {
  const canBeNull = (field.anyOf as Schema[] | undefined)?.some(isNull) && !("default" in field);
  return canBeNull ? { ...field, default: null } : field;
}

/** An object keeps the choice, because its own fields may be required; so do a list and a boolean. */
function withoutNull(field: Schema, root: Schema): Schema {
  const { anyOf, default: initial, ...rest } = field;
  const choices = (anyOf as Schema[] | undefined)?.filter((choice) => !isNull(choice));
  if (!choices || choices.length === anyOf?.length || !choices.every((choice) => isPlain(choice, root))) {
    return field;
  }
  return {
    ...(choices.length === 1 ? choices[0] : { anyOf: choices }),
    ...rest,
    ...(initial !== null && initial !== undefined && { default: initial }),
  };
}

function isPlain({ $ref, type }: Schema, root: Schema): boolean {
  const definition = $ref && root.$defs?.[$ref.replace("#/$defs/", "")];
  const its = typeof definition === "object" ? definition.type : type;
  return its === "string" || its === "number" || its === "integer";
}

function mapped<T, R>(record: Record<string, T>, change: (value: T, key: string) => R): Record<string, R> {
  return Object.fromEntries(Object.entries(record).map(([key, value]) => [key, change(value, key)]));
}
