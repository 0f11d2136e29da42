"""Texts that are made once and kept as secrets in the stack's state."""

from collections.abc import Sequence

import pulumi
from pulumi_command.local import Command, Logging

_RANDOM = "od -An -N32 -tx1 /dev/urandom | tr -d ' \\n'"
_NOW = "date -u +%Y-%m-%dT%H:%M:%SZ | tr -d '\\n'"
_KEEP = 'printf %s "$PULUMI_COMMAND_STDOUT"'


def random_text(
    name: str, opts: pulumi.ResourceOptions | None = None, again_with: Sequence[pulumi.Input[str]] = ()
) -> pulumi.Output[str]:
    """Return 64 hexadecimal digits, 256 bits from the system's source, as a secret.

    They are made on this machine when the resource is created, by programs that every Unix has; they are in
    the encrypted state and in no log. Whatever changes about the resource later, the text stays; it becomes
    another one when the resource is replaced (`pulumi up --target-replace`), which is how to rotate it.

    Args:
        name: Logical name.
        opts: Options of the resource.
        again_with: Values whose change makes another one.
    """
    return _made_once(name, _RANDOM, opts, again_with)


def time_text(
    name: str, opts: pulumi.ResourceOptions | None = None, again_with: Sequence[pulumi.Input[str]] = ()
) -> pulumi.Output[str]:
    """Return the time at which the resource was created, in UTC as RFC 3339 writes it.

    Args:
        name: Logical name.
        opts: Options of the resource.
        again_with: Values whose change makes it the time of that change.
    """
    return _made_once(name, _NOW, opts, again_with)


def _made_once(
    name: str, script: str, opts: pulumi.ResourceOptions | None, again_with: Sequence[pulumi.Input[str]]
) -> pulumi.Output[str]:
    command = Command(
        name,
        create=script,
        update=_KEEP,
        logging=Logging.NONE,
        triggers=list(again_with) or None,
        opts=pulumi.ResourceOptions.merge(
            opts, pulumi.ResourceOptions(additional_secret_outputs=["stdout", "stderr"])
        ),
    )
    return pulumi.Output.secret(command.stdout)
