import { type Schema, Validator } from "@cfworker/json-schema";
import type { RJSFSchema, ValidatorType } from "@rjsf/utils";

/**
 * Tells the form which alternative of a union its data fits. The API checks the data of a start, so all
 * messages come from there. This library compiles no code: the page's policy forbids that.
 */
export const validator: ValidatorType = {
  isValid(schema: RJSFSchema, data: unknown, root: RJSFSchema): boolean {
    // The library writes into the schema, and knows no undefined.
    const own = structuredClone({ ...schema, $defs: root.$defs }) as Schema;
    return new Validator(own, "7").validate(JSON.parse(JSON.stringify(data ?? null))).valid;
  },
  validateFormData: () => ({ errors: [], errorSchema: {} }),
  rawValidation: () => ({}),
};
