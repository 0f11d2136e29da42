"""Kinds that a chart keeps in `crds/`, upgraded with it: Helm installs them once and never again."""

import asyncio
from pathlib import Path

import pulumi

from a1platform.platform.recovery import RELEASE, RunOnServer, kubectl

_END = "A1_KINDS"


def kinds(chart: str) -> list[Path]:
    """Return the files of a chart's kinds; none where the chart is not a folder of this machine.

    Args:
        chart: The release's `chart`.
    """
    return sorted((Path(chart) / "crds").glob("*.yaml"))


def kinds_script(chart: str) -> str:
    """Return the script that brings a chart's kinds to what the chart says.

    Args:
        chart: The release's `chart`, a folder.
    """
    text = "\n---\n".join(file.read_text(encoding="utf-8").strip() for file in kinds(chart))
    # Helm's own name holds every field since the installation.
    words = ["apply", "--server-side", "--force-conflicts", "--filename", "-"]
    return f"{kubectl(words)} <<'{_END}'\n{text}\n{_END}\n"


def upgrading(run: RunOnServer) -> pulumi.ResourceTransformation:
    """Return the transformation that has kinds upgraded right before the release that needs them.

    Before an installation too: kinds stay when their release goes, and Helm leaves those that it finds.

    Args:
        run: See `RunOnServer`.
    """

    async def upgrade(args: pulumi.ResourceHookArgs) -> None:
        await asyncio.to_thread(run, kinds_script((args.new_inputs or {})["chart"]))

    hook = pulumi.ResourceHook("a1-kinds", upgrade)
    binding = pulumi.ResourceHookBinding(before_create=[hook], before_update=[hook])
    added = pulumi.ResourceOptions(hooks=binding)

    def attach(args: pulumi.ResourceTransformationArgs) -> pulumi.ResourceTransformationResult | None:
        if args.type_ != RELEASE or not kinds(str(args.props["chart"])):
            return None
        return pulumi.ResourceTransformationResult(args.props, pulumi.ResourceOptions.merge(args.opts, added))

    return attach
