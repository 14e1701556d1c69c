import { Alert, Button, List } from "@mantine/core";
import { IconAlertTriangle, IconPlayerPlay } from "@tabler/icons-react";
import { withTheme } from "@rjsf/core";
import { type ReactNode, useMemo, useState } from "react";
import { atFields, inWords, type UserError } from "./contextErrors";
import { formSchema } from "./formSchema";
import { theme } from "./formTheme";
import { validator } from "./validator";

const Form = withTheme(theme);

interface ContextFormProps {
  /** The JSON Schema of the run type's context. */
  schema: unknown;
  /** Start a run; return what the user must correct. */
  start: (context: unknown) => Promise<readonly UserError[]>;
}

/** The parameters of a start. What the API refuses is shown at the fields and in a list above the button. */
export function ContextForm({ schema, start }: ContextFormProps): ReactNode {
  const fields = useMemo(() => formSchema(schema), [schema]);
  const [context, setContext] = useState<unknown>({});
  const [errors, setErrors] = useState<readonly UserError[]>([]);
  const extraErrors = useMemo(() => atFields(errors), [errors]);
  const [busy, setBusy] = useState(false);

  async function submit(formData: unknown): Promise<void> {
    setBusy(true);
    setErrors([]);
    try {
      setErrors(await start(formData));
    } catch (error) {
      setErrors([{ message: error instanceof Error ? error.message : String(error), field: [] }]);
    } finally {
      setBusy(false);
    }
  }

  return (
    <Form
      extraErrors={extraErrors}
      formData={context}
      idPrefix="context"
      noValidate
      onChange={({ formData }) => setContext(formData)}
      onSubmit={({ formData }) => void submit(formData)}
      schema={fields}
      showErrorList={false}
      validator={validator}
    >
      {errors.length > 0 && (
        <Alert color="red" icon={<IconAlertTriangle aria-hidden />} mb="md" title="The operation did not start">
          <List size="sm">
            {errors.map((error) => (
              <List.Item key={inWords(error)}>{inWords(error)}</List.Item>
            ))}
          </List>
        </Alert>
      )}
      <Button leftSection={<IconPlayerPlay aria-hidden size={16} />} loading={busy} type="submit">
        Start
      </Button>
    </Form>
  );
}
