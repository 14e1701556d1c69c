// What stands for values of our own scalars; SpectaQL would show numbers as ids.
const EXAMPLES = {
  ID: "T3BlcmF0aW9uUnVuOjAxOTM",
  DateTime: "2026-01-31T12:00:00.000000Z",
  JSON: { scopeKey: "workstations" },
};

module.exports = ({ type, field, arg, inputField, underlyingType, isArray }) => {
  const { name } = arg || field || inputField ? underlyingType : type;
  return isArray && EXAMPLES[name] ? [EXAMPLES[name]] : EXAMPLES[name];
};
