"""The executor: graphql-core's, with what a plan knows done beforehand.

Each method does what the method of the same name in graphql-core's `Executor` does, in the same
order, and leaves it to that method if the run has no plan or a value is not as the plan expects.
"""

from typing import Any

from graphql import GraphQLResolveInfo
from graphql.execution.collect_fields import CollectedFields
from graphql.execution.executor import default_field_resolver, default_type_resolver
from graphql.execution.values import get_argument_values
from graphql.pyutils import Path, Undefined, gather_with_cancel
from graphql.pyutils import is_awaitable as default_is_awaitable
from strawberry.execution.is_awaitable import optimized_is_awaitable
from strawberry.schema.schema import StrawberryGraphQLCoreExecutionContext

from .classes import ATOMS, may_be_shared
from .plans import Field, Plan, Selection, Value, plan_of
from .resolvers import DirectCall


class CompiledExecutor(StrawberryGraphQLCoreExecutionContext):
    """Executes operations as graphql-core does, but faster from an operation's second run on."""

    _plan: Plan | None = None
    # Arguments that resolvers cannot change, coerced and converted once for a run.
    _arguments: dict[Field, dict[str, Any]]

    def execute_collected_root_fields(
        self, root_type: Any, root_value: Any, fields: Any, serially: bool, defer_usages: Any
    ) -> Any:
        """Execute an operation or an event, with the operation's plan if there is one."""
        self._arguments = {}
        self._plan = plan = plan_of(self, fields) if self._is_usual() else None
        fields = fields if plan is None else plan.root
        return super().execute_collected_root_fields(
            root_type, root_value, fields, serially, defer_usages
        )

    def _is_usual(self) -> bool:
        """Return whether this executor has none of the options that no plan provides for."""
        middleware = self.middleware_manager
        return (
            (middleware is None or not middleware.middlewares)
            and self.is_awaitable in (default_is_awaitable, optimized_is_awaitable)
            and self.field_resolver is default_field_resolver
            and self.type_resolver is default_type_resolver
            and self.abort_signal is None
        )

    # Objects

    def collect_subfields(self, type_: Any, details: Any) -> CollectedFields:
        """Return what is selected of an object; once for all runs of a plan."""
        if self._plan is None:
            return super().collect_subfields(type_, details)
        key, known = (type_, id(details)), self._plan.collected
        return known.get(key) or known.setdefault(key, super().collect_subfields(type_, details))

    def execute_fields(
        self, type_: Any, source: Any, path: Path | None, fields: Any, context: Any
    ) -> Any:
        """Execute the fields of an object."""
        if self._plan is None:
            return super().execute_fields(type_, source, path, fields, context)
        selection = self._plan.selection(self, type_, fields)
        return self._execute_selection(selection, source, path)

    def _execute_selection(self, selection: Selection, source: Any, path: Path | None) -> Any:
        results: dict[str, Any] = {}
        later: list[str] = []
        try:
            for read, fields in selection.steps:
                try:
                    plain = read and read(source)
                except Exception:  # noqa: BLE001 - each field alone meets it again
                    plain = None
                if plain is not None:
                    results.update(plain)
                    continue
                for field in fields:
                    field_path = Path(path, field.response, field.parent.name)
                    result = self._execute(field, source, field_path)
                    results[field.response] = result
                    if result.__class__ not in ATOMS and self.is_awaitable(result):
                        later.append(field.response)
        except Exception:
            if later:
                self.settle_in_background([results[name] for name in later])
            raise
        return self._await_all(results, later) if later else results

    async def _await_all(self, results: Any, places: list[Any]) -> Any:
        """Await some of the results in a dict or list together."""
        if len(places) == 1:
            results[places[0]] = await results[places[0]]
        else:
            awaited = await gather_with_cancel(*(results[place] for place in places))
            for place, result in zip(places, awaited, strict=True):
                results[place] = result
        return results

    # Fields

    def _execute(self, field: Field, source: Any, path: Path) -> Any:
        try:
            result = self._resolve(field, source, path)
            if result.__class__ not in ATOMS and self.is_awaitable(result):
                return self._complete_later(field, result, path)
            completed = self._complete(field, result, path)
            if completed.__class__ not in ATOMS and self.is_awaitable(completed):
                return self._handled(completed, field.type, field.details, path)
        except Exception as error:  # noqa: BLE001 - as graphql-core
            self.handle_field_error(error, field.type, field.details, path)
            return None
        return completed

    def _resolve(self, field: Field, source: Any, path: Path) -> Any:
        direct = field.direct
        if direct is not None:
            try:
                arguments = self._converted(field, direct, path) if field.has_arguments else {}
                info = self._info(field, path) if direct.info_name else None
                return direct(source, arguments, info)
            except Exception:
                if not direct.is_async:
                    raise
                # Nothing has run yet. The wrapper raises the error when it is awaited.
        resolve = field.definition.resolve or self.field_resolver
        return resolve(source, self._info(field, path), **self._coerced(field))

    def _info(self, field: Field, path: Path) -> GraphQLResolveInfo[Any]:
        return self.build_resolve_info(field.definition, field.nodes.copy(), field.parent, path)

    def _coerced(self, field: Field) -> dict[str, Any]:
        if not field.has_arguments:
            return {}
        return get_argument_values(
            field.definition, field.nodes[0], self.variable_values, None, self.hide_suggestions
        )

    def _converted(self, field: Field, direct: DirectCall, path: Path) -> dict[str, Any]:
        arguments = self._arguments.get(field)
        if arguments is None:
            coerced = self._coerced(field)
            arguments = direct.convert(coerced, self._info(field, path))
            if may_be_shared(coerced) and may_be_shared(arguments):
                self._arguments[field] = arguments
        return arguments

    async def _complete_later(self, field: Field, awaitable: Any, path: Path) -> Any:
        try:
            completed = self._complete(field, await awaitable, path)
            if completed.__class__ not in ATOMS and self.is_awaitable(completed):
                completed = await completed
        except Exception as error:  # noqa: BLE001 - as graphql-core
            self.handle_field_error(error, field.type, field.details, path)
            return None
        return completed

    async def _handled(self, completed: Any, type_: Any, details: Any, path: Path) -> Any:
        try:
            return await completed
        except Exception as error:  # noqa: BLE001 - as graphql-core
            self.handle_field_error(error, type_, details, path)
            return None

    # Values

    def _complete(self, field: Field, result: Any, path: Path) -> Any:
        assert self._plan is not None
        value = self._plan.value(self, field.type, field.details)
        completed = self._complete_compiled(value, result, path)
        if completed is not Undefined:
            return completed
        return super().complete_value(
            field.type, field.details, self._info(field, path), path, result, None
        )

    def complete_value(
        self, type_: Any, details: Any, info: Any, path: Path, result: Any, context: Any
    ) -> Any:
        """Complete a value that is a part of one that graphql-core completes."""
        if self._plan is not None:
            value = self._plan.value(self, type_, details)
            completed = self._complete_compiled(value, result, path)
            if completed is not Undefined:
                return completed
        return super().complete_value(type_, details, info, path, result, context)

    def _complete_compiled(self, value: Value, result: Any, path: Path) -> Any:
        """Complete a value; return Undefined if that is left to graphql-core."""
        if value.plain is not None:
            try:
                return value.plain(result)
            except Exception:  # noqa: BLE001 - graphql-core meets it again
                return Undefined
        if value.selection is not None and result in value.selection.classes:
            return self._execute_selection(value.selection, result, path)
        return Undefined

    def complete_iterable_value(
        self, type_: Any, details: Any, info: Any, path: Path, items: Any, context: Any
    ) -> Any:
        """Complete a list; without graphql-core if all items are objects of known classes."""
        selection = None
        if self._plan is not None and items.__class__ in (list, tuple):
            selection = self._plan.value(self, type_, details).selection
        if selection is None or not all(item in selection.classes for item in items):
            return super().complete_iterable_value(type_, details, info, path, items, context)
        results: list[Any] = []
        later: list[int] = []
        try:
            for index, item in enumerate(items):
                item_path = Path(path, index, None)
                try:
                    completed = self._execute_selection(selection, item, item_path)
                except Exception as error:  # noqa: BLE001 - as graphql-core
                    self.handle_field_error(error, type_, details, item_path)
                    completed = None
                if completed.__class__ not in ATOMS and self.is_awaitable(completed):
                    later.append(index)
                    completed = self._handled(completed, type_, details, item_path)
                results.append(completed)
        except Exception:
            if later:
                self.settle_in_background([results[index] for index in later])
            raise
        return self._await_all(results, later) if later else results
