"""`a1 render`: write what Argo CD syncs and what Grafana reads, or tell where the files differ."""

from pathlib import Path
from typing import Annotated

import typer

from a1platform.delivery import yaml_sink
from a1platform.services.model import Capabilities
from a1platform.services.render import dashboard_files, manifest_files
from a1platform.services.resolve import resolve
from a1platform.settings.services import DEFAULT_IMAGE, Profile, ServicesSettings


def render(
    root: Annotated[Path, typer.Option(help="Folder with manifests/ and dashboards/.")] = Path(),
    image: Annotated[str, typer.Option(help="Image of the services, by digest or tag.")] = DEFAULT_IMAGE,
    profile: Annotated[Profile, typer.Option(help="Size of the pods.")] = Profile.SMALL,
    tracing: Annotated[bool, typer.Option("--tracing", help="Forward spans to Jaeger.")] = False,  # noqa: FBT002
    check: Annotated[bool, typer.Option("--check", help="Only tell where files differ.")] = False,  # noqa: FBT002
) -> None:
    """Render manifests/ and dashboards/ from the catalog."""
    try:
        settings = ServicesSettings(image=image, profile=profile)
    except ValueError as error:
        raise typer.BadParameter(str(error)) from error
    services = resolve(settings, Capabilities(tracing=tracing))
    trees = {
        root / settings.gitops.path: manifest_files(services, settings.gitops),
        root / "dashboards": dashboard_files(services),
    }
    if not check:
        for folder, files in trees.items():
            yaml_sink.write(folder, files)
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
