/** Mantine's components for the form library, with the descriptions and headings of the other pages. */

import { Button, Checkbox, Input, Text } from "@mantine/core";
import { IconPlus } from "@tabler/icons-react";
import type { ThemeProps } from "@rjsf/core";
import templates from "@rjsf/mantine/lib/templates/index.js";
import CheckboxesWidget from "@rjsf/mantine/lib/widgets/CheckboxesWidget.js";
import SelectWidget from "@rjsf/mantine/lib/widgets/SelectWidget.js";
import TextareaWidget from "@rjsf/mantine/lib/widgets/TextareaWidget.js";
import {
  type ArrayFieldTitleProps,
  type DescriptionFieldProps,
  type IconButtonProps,
  titleId,
  type WidgetProps,
} from "@rjsf/utils";
import type { ComponentType, ReactNode } from "react";

/** Their package leaves out the descriptions of these fields. */
function described(Widget: ComponentType<WidgetProps>): ComponentType<WidgetProps> {
  return (props) => {
    const { description } = props.schema;
    return <Widget {...props} options={{ ...(description && { description }), ...props.options }} />;
  };
}

/** Theirs would require that a required box is checked. */
function CheckboxWidget(props: WidgetProps): ReactNode {
  const { id, htmlName, label, schema, value, rawErrors, onChange } = props;
  return (
    <Checkbox
      checked={value === true}
      description={schema.description}
      error={rawErrors?.join("\n")}
      id={id}
      label={label}
      name={htmlName ?? id}
      onChange={({ currentTarget }) => onChange(currentTarget.checked)}
    />
  );
}

/** In a legend, so it is not a heading. */
function FieldTitle({ id, title }: { id?: string; title: string }): ReactNode {
  return (
    <Text component="span" fw={500} id={id} size="sm">
      {title}
    </Text>
  );
}

function ArrayTitle({ fieldPathId, title }: ArrayFieldTitleProps): ReactNode {
  return title && <FieldTitle id={titleId(fieldPathId)} title={title} />;
}

function FieldDescription({ id, description }: DescriptionFieldProps): ReactNode {
  return description ? (
    <Input.Description id={id} mb="xs">
      {description}
    </Input.Description>
  ) : null;
}

function AddButton({ id, disabled, onClick }: IconButtonProps): ReactNode {
  return (
    <Button
      disabled={disabled ?? false}
      id={id}
      leftSection={<IconPlus aria-hidden size={14} />}
      onClick={onClick}
      size="xs"
      variant="default"
    >
      Add
    </Button>
  );
}

export const theme: ThemeProps = {
  templates: {
    ...templates,
    ArrayFieldTitleTemplate: ArrayTitle,
    TitleFieldTemplate: FieldTitle,
    DescriptionFieldTemplate: FieldDescription,
    ButtonTemplates: { ...templates.ButtonTemplates, AddButton },
  },
  // Dates use the browser's inputs.
  widgets: {
    CheckboxWidget,
    CheckboxesWidget: described(CheckboxesWidget),
    SelectWidget: described(SelectWidget),
    TextareaWidget: described(TextareaWidget),
  },
};
