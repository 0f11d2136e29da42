"""`a1 render`: write what Argo CD syncs and what Grafana reads, or tell where the files differ."""

from pathlib import Path
from typing import Annotated

import typer
from pydantic import ValidationError

from a1platform.cli.stack_file import StackFile, StackFileError
from a1platform.delivery import yaml_sink
from a1platform.observability.dashboards import MARK
from a1platform.platform.selection import charts
from a1platform.services.image import with_image_of
from a1platform.services.model import Capabilities
from a1platform.services.render import dashboard_files, manifest_files
from a1platform.services.resolve import resolve
from a1platform.settings import problems
from a1platform.settings.model import A1Settings
from a1platform.settings.services import Profile, ServicesSettings


def render(
    root: Annotated[Path, typer.Option(help="Folder with manifests/ and dashboards/.")] = Path(),
    stack: Annotated[
        Path | None,
        typer.Option(
            exists=True,
            dir_okay=False,
            help="A Pulumi.<stack>.yaml whose services and parts are rendered, not the defaults.",
        ),
    ] = None,
    image: Annotated[str | None, typer.Option(help="Image of the services, by digest.")] = None,
    profile: Annotated[Profile | None, typer.Option(help="Size of the pods.")] = None,
    check: Annotated[bool, typer.Option("--check", help="Only tell where files differ.")] = False,  # noqa: FBT002
) -> None:
    """Render manifests/ and dashboards/ from the catalog."""
    try:
        file = StackFile(stack) if stack else None
        settings = _settings(file, image, profile)
        services = resolve(settings, _offered(file))
    except ValidationError as error:
        raise typer.BadParameter("; ".join(problems.lines(error, A1Settings, "services"))) from None
    except (StackFileError, ValueError) as error:
        raise typer.BadParameter(str(error)) from error
    dashboards = root / "dashboards"
    trees = {
        root / settings.gitops.path: manifest_files(services, settings.gitops, settings.quota),
        dashboards: dashboard_files(services),
    }
    if not check:
        for folder, files in trees.items():
            try:
                yaml_sink.write(folder, files, MARK if folder == dashboards else yaml_sink.HEADER)
            except ValueError as error:
                raise typer.BadParameter(str(error)) from error
            typer.echo(f"{folder}: {len(files)} files")
        return
    lines = [
        f"{folder}: {line}"
        for folder, files in trees.items()
        for line in yaml_sink.differences(folder, files)
    ]
    for line in lines:
        typer.echo(line, err=True)
    if lines:
        raise typer.Exit(1)


def _settings(file: StackFile | None, image: str | None, profile: Profile | None) -> ServicesSettings:
    if file:
        file.check()
    given = with_image_of(file.bundle(), file.services()) if file else ServicesSettings()
    if not given.enabled:
        raise ValueError("services.enabled: found false, expected true, as only the services are rendered")
    said = {key: value for key, value in (("image", image), ("profile", profile)) if value is not None}
    return ServicesSettings.model_validate({**given.model_dump(), **said})


def _offered(file: StackFile | None) -> Capabilities:
    """Return what the stack's cluster offers: an object of a kind that it lacks could not be synced."""
    if file is None:
        return Capabilities()
    installed = charts(file.platform(), file.bundle())
    return Capabilities(
        keda="keda" in installed, monitoring="monitoring" in installed, tracing="tracing" in installed
    )
