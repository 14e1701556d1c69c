"""Calls of Strawberry's resolvers without Strawberry's wrapper, which would look everything up."""

from inspect import iscoroutinefunction
from typing import Any

from graphql import GraphQLField, GraphQLResolveInfo, GraphQLSchema
from strawberry.types.arguments import convert_arguments
from strawberry.types.field import StrawberryField
from strawberry.types.fields.resolver import StrawberryResolver

_WRAPPERS = tuple(
    f"GraphQLCoreConverter.from_resolver.<locals>.{name}"
    for name in ("_resolver", "_async_resolver")
)


class DirectCall:
    """A call of a field's resolver function, with what its parameters ask for."""

    def __init__(self, field: StrawberryField, schema: Any) -> None:
        resolver = field.base_resolver
        assert resolver is not None
        self.field, self.config = field, schema.config
        self.scalars = schema.schema_converter.scalar_registry
        self.function: Any = resolver.wrapped_func
        self.is_async = field.is_async
        self.takes_self = resolver.self_parameter is not None
        parameters = resolver.parent_parameter, resolver.root_parameter
        self.source_names = [parameter.name for parameter in parameters if parameter]
        self.info_name = resolver.info_parameter.name if resolver.info_parameter else None

    def convert(self, arguments: dict[str, Any], info: GraphQLResolveInfo[Any]) -> dict[str, Any]:
        """Return the resolver's arguments for those that graphql-core coerced."""
        own = self.config.info_class(_raw_info=info, _field=self.field)
        return convert_arguments(arguments, self.field.arguments, self.scalars, self.config, own)

    def __call__(
        self, source: Any, arguments: dict[str, Any], info: GraphQLResolveInfo[Any] | None
    ) -> Any:
        """Call the resolver with converted arguments, and with `info` if it has a name for it."""
        if self.source_names:
            arguments = {**arguments, **dict.fromkeys(self.source_names, source)}
        if self.info_name is not None:
            own = self.config.info_class(_raw_info=info, _field=self.field)
            arguments = {**arguments, self.info_name: own}
        return self.function(source, **arguments) if self.takes_self else self.function(**arguments)


def direct_call(definition: GraphQLField, schema: GraphQLSchema) -> DirectCall | None:
    """Return the direct call of a field; None if the wrapper does more than to convert arguments.

    It does more for field extensions, permissions and exception handlers.
    """
    field = definition.extensions.get("strawberry-definition")
    strawberry_schema: Any = getattr(schema, "_strawberry_schema", None)
    if (
        strawberry_schema is None
        or strawberry_schema.exception_handlers
        or getattr(definition.resolve, "__qualname__", "") not in _WRAPPERS
        or not isinstance(field, StrawberryField)
        or type(field).get_result is not StrawberryField.get_result
        or field.extensions
        or field.base_resolver is None
        or type(field.base_resolver).__call__ is not StrawberryResolver.__call__
        or not callable(field.base_resolver.wrapped_func)
        # Only the call of a real coroutine function runs nothing.
        or (field.is_async and not iscoroutinefunction(field.base_resolver.wrapped_func))
    ):
        return None
    return DirectCall(field, strawberry_schema)
