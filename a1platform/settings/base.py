"""The base of every settings class."""

from pydantic import BaseModel, ConfigDict
from pydantic.alias_generators import to_camel


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
