/** User errors of a start, for its form. */

import { type ErrorSchema, ErrorSchemaBuilder } from "@rjsf/utils";

export interface UserError {
  message: string;
  /** Such as `["input", "context", "scopeKey"]`. */
  field: readonly string[];
}

const CONTEXT = ["input", "context"];

function pathOf({ field }: UserError): readonly string[] {
  return CONTEXT.every((part, position) => field[position] === part) ? field.slice(CONTEXT.length) : [];
}

/** The errors at the fields of the form; those of the whole form are at its root. */
export function atFields(errors: readonly UserError[]): ErrorSchema {
  const builder = new ErrorSchemaBuilder();
  for (const error of errors) {
    builder.addErrors(error.message, [...pathOf(error)]);
  }
  return builder.ErrorSchema;
}

/** `Scope key: Field required`, with the number of an item from 1: `Policies › 2: …`. */
export function inWords(error: UserError): string {
  const names = pathOf(error).map((part) => (/^\d+$/.test(part) ? String(Number(part) + 1) : spaced(part)));
  return names.length === 0 ? error.message : `${names.join(" › ")}: ${error.message}`;
}

function spaced(name: string): string {
  const text = name.replace(/[A-Z]/g, (capital) => ` ${capital.toLowerCase()}`);
  return text.charAt(0).toUpperCase() + text.slice(1);
}
