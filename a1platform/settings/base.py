"""The base of every settings class."""

import typing
from collections.abc import Iterable
from types import NoneType
from typing import Any, Self

from pydantic import (
    BaseModel,
    ConfigDict,
    ModelWrapValidatorHandler,
    ValidationError,
    ValidationInfo,
    field_validator,
    model_validator,
)
from pydantic.alias_generators import to_camel
from pydantic_core import PydanticKnownError

from a1platform.settings.together import Problem, right_part, tell


class Settings(BaseModel):
    """A frozen piece of the configuration that refuses keys it does not know.

    Keys are camelCase in `Pulumi.<stack>.yaml`, as in the rest of Pulumi, and snake_case in Python.
    Defaults are checked too, so a default that breaks a rule fails the first test that loads it.
    """

    model_config = ConfigDict(
        frozen=True,
        extra="forbid",
        alias_generator=to_camel,
        populate_by_name=True,
        validate_default=True,
    )

    def between(self, given: object) -> Iterable[Problem]:  # noqa: ARG002 - for those that need it
        """Return what is wrong between values that are right by themselves.

        Args:
            given: What the settings were read from, wrong values too.
        """
        return ()

    @field_validator("*", mode="before")
    @classmethod
    def _as_it_is(cls, value: object, info: ValidationInfo) -> object:
        """Refuse what pydantic would turn into a number or a switch: `true` is not 1, and "off" is a text."""
        annotation = cls.model_fields[str(info.field_name)].annotation
        wanted = {annotation, *typing.get_args(annotation)}
        if bool in wanted and not isinstance(value, bool | NoneType):
            raise PydanticKnownError("bool_type")
        if int in wanted and (isinstance(value, bool) or not isinstance(value, int | NoneType)):
            raise PydanticKnownError("int_type")
        return value

    @model_validator(mode="wrap")
    @classmethod
    def _all_at_once(cls, value: Any, check: ModelWrapValidatorHandler[Self]) -> Self:  # noqa: ANN401
        try:
            settings = check(value)
        except ValidationError as error:
            right = right_part(check, value, error)
            if right.settings is not None:
                found = right.settings.between(value)
                tell(cls.__name__, error, [one for one in found if right.has(*one.about)])
            raise
        tell(cls.__name__, None, settings.between(value))
        return settings
