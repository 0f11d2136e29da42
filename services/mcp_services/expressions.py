"""The CEL expressions of the documents: where they stand in templates, and what they may name."""

import re
from collections.abc import Iterator

import cel

_EXPRESSION = re.compile(r"^\$\{(.*)\}$", re.DOTALL)
# The library tells variables, not which of their fields are asked for. Beside strings, comments and fields of
# other things, what follows `steps` is a step, or a method such as `exists`.
_STEP = re.compile(
    r"""//[^\n]*|"(?:\\.|[^"\\])*"|'(?:\\.|[^'\\])*'|\.\s*\w+"""
    r"""|steps\s*(?:\.\s*(?P<field>\w+)\b(?!\s*\()|\[\s*(?P<quote>["'])(?P<key>\w+)(?P=quote)\s*\])|\w+""",
    re.DOTALL,
)


def expression(value: object) -> str | None:
    """The CEL expression in a template value, if it is one."""
    found = _EXPRESSION.match(value) if isinstance(value, str) else None
    return found[1] if found else None


def expressions(value: object) -> Iterator[str]:
    """All CEL expressions in a template."""
    if (text := expression(value)) is not None:
        yield text
    elif isinstance(value, dict):
        for one in value.values():
            yield from expressions(one)
    elif isinstance(value, list):
        for one in value:
            yield from expressions(one)


def check_expression(text: str, names: set[str], where: str) -> None:
    """Refuse an expression that does not parse or names something that is not there.

    Raises:
        ValueError: Says where and why.
    """
    try:
        program = cel.compile(text)
    except ValueError as error:
        raise ValueError(f"{where}: {str(error).splitlines()[0]}") from error
    # Names bound by a macro such as `exists(x, ...)` count as variables too, so only letters may be bound.
    unknown = {name for name in program.variables() if name not in names and len(name) > 1}
    if unknown:
        raise ValueError(
            f"{where}: {', '.join(sorted(unknown))} is not available; {', '.join(sorted(names))} are"
        )


def steps_named(text: str) -> set[str]:
    """The steps of which an expression asks for the result, by `steps.<id>` or `steps["<id>"]`."""
    found = (match["field"] or match["key"] for match in _STEP.finditer(text))
    return {name for name in found if name}
