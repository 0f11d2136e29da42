"""A random text that is made once and kept as a secret in the stack's state."""

import pulumi
from pulumi_command.local import Command, Logging

_MAKE = "od -An -N32 -tx1 /dev/urandom | tr -d ' \\n'"
_KEEP = 'printf %s "$PULUMI_COMMAND_STDOUT"'


def random_text(name: str, opts: pulumi.ResourceOptions | None = None) -> pulumi.Output[str]:
    """Return 64 hexadecimal digits, 256 bits from the system's source, as a secret.

    They are made on this machine when the resource is created, by programs that every Unix has; they are in
    the encrypted state and in no log. Whatever changes about the resource later, the text stays; it becomes
    another one when the resource is replaced (`pulumi up --target-replace`), which is how to rotate it.

    Args:
        name: Logical name.
        opts: Options of the resource.
    """
    command = Command(
        name,
        create=_MAKE,
        update=_KEEP,
        logging=Logging.NONE,
        opts=pulumi.ResourceOptions.merge(
            opts, pulumi.ResourceOptions(additional_secret_outputs=["stdout", "stderr"])
        ),
    )
    return pulumi.Output.secret(command.stdout)
