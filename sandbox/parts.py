"""The bundle's parts as data: what each holds, what it is made from, and what decides it."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from a1platform.platform.chart import OFFICIAL
from sandbox.build.image import ImageFile
from sandbox.cache import Cache
from sandbox.official.part import Official
from sandbox.progress import Progress
from sandbox.recipes import argo_cd, external_secrets, gatekeeper, keda, monitoring, system, tracing
from sandbox.recipes.services_image import services_image

_GIB = 1024**3
_ROOT = Path(__file__).parents[1]
_SANDBOX = Path(__file__).parent

LEFT_OUT = {"grafana": "Grafana, on no package registry"}
"""What no recipe can make, by the name of its image, and why: left out where no part came with that image."""


@dataclass(frozen=True)
class Part:
    """A part of the bundle.

    Attributes:
        name: Its name in bundle.json.
        origin: What it is built from, in words, as `up` says it.
        images: Builds its images.
        chart: Fills a folder with its chart and returns the chart's version; None where it has none.
        sources: Files and folders of ours that decide the result.
        disk: Bytes that its build takes at most, compiled packages included.
        needs: Parts that are of no use without, or not usable without this one's.
        optional: Whether it is made only where somebody asks for it, as the platform has it off by default.
        official: What it is taken from where that can be reached; None for what is nobody's but ours.
    """

    name: str
    origin: str
    images: Callable[[Cache, Progress], Sequence[ImageFile]]
    chart: Callable[[Cache, Progress, Path], str] | None
    sources: tuple[Path, ...]
    disk: int
    needs: tuple[str, ...] = ()
    optional: bool = False
    official: Official | None = None


def _sources(recipe: str, *more: Path) -> tuple[Path, ...]:
    """What decides a part: its recipe with its folders, how recipes are carried out, and the pins."""
    own = [_SANDBOX / "recipes" / f"{recipe}.py", _SANDBOX / "recipes" / recipe, *more]
    shared = [_SANDBOX / "build", _ROOT / "a1platform" / "versions.py"]
    return tuple(path for path in (*own, *shared) if path.exists())


def _chart(name: str) -> Path:
    return _SANDBOX / "charts" / name


def _no_images(_cache: Cache, _progress: Progress) -> Sequence[ImageFile]:
    return ()


def _services(cache: Cache, progress: Progress) -> Sequence[ImageFile]:
    return (services_image(cache, progress),)


_ALL = (
    Part(
        "system",
        f"Go modules and Debian packages, {len(system.STAND_INS)} of them stand-ins (docs/bundle.md)",
        system.system_images,
        None,
        _sources("system", _SANDBOX / "recipes" / "pause"),
        2 * _GIB,
        official=Official(references=system.REFERENCES),
    ),
    Part(
        "monitoring-crds",
        f"upstream manifests v{monitoring.OPERATOR_VERSION}",
        _no_images,
        monitoring.crds_chart,
        _sources("monitoring", _chart("monitoring-crds")),
        _GIB // 4,
        official=Official(OFFICIAL["monitoring-crds"]),
    ),
    Part(
        "mcp-services",
        "this repository, Debian packages and locked wheels",
        _services,
        None,
        _sources(
            "services",
            _SANDBOX / "recipes" / "services_image.py",
            _ROOT / "services" / "requirements.txt",
            _ROOT / "services" / "mcp_services",
        ),
        _GIB,
        needs=("external-secrets",),
    ),
    Part(
        "gatekeeper",
        f"chart {gatekeeper.VERSION.removeprefix('v')}",
        gatekeeper.images,
        gatekeeper.chart,
        _sources("gatekeeper"),
        2 * _GIB,
        official=Official(OFFICIAL["gatekeeper"]),
    ),
    Part(
        "external-secrets",
        f"chart {external_secrets.VERSION.removeprefix('v')}",
        external_secrets.images,
        external_secrets.chart,
        _sources("external_secrets", _chart("external-secrets")),
        4 * _GIB,
        official=Official(OFFICIAL["external-secrets"]),
    ),
    Part(
        "monitoring",
        f"our chart round upstream v{monitoring.OPERATOR_VERSION}, Prometheus v3.5.0",
        monitoring.images,
        monitoring.chart,
        _sources("monitoring", _chart("monitoring")),
        3 * _GIB,
        needs=("monitoring-crds",),
        official=Official(OFFICIAL["monitoring"]),
    ),
    Part(
        "keda",
        f"upstream manifests v{keda.VERSION}",
        keda.images,
        keda.chart,
        _sources("keda", _chart("keda"), _SANDBOX / "recipes" / "argo_cd.py"),
        3 * _GIB,
        official=Official(OFFICIAL["keda"]),
    ),
    Part(
        "argo-cd",
        f"upstream manifests v{argo_cd.VERSION}, with Debian's Redis",
        argo_cd.images,
        argo_cd.chart,
        _sources("argo_cd", _chart("argo-cd")),
        3 * _GIB,
        official=Official(OFFICIAL["argo-cd"]),
    ),
    Part(
        "tracing",
        f"our chart of Jaeger v{tracing.VERSION}, without its web pages",
        tracing.images,
        tracing.chart,
        _sources("tracing", _chart("tracing")),
        4 * _GIB,
        optional=True,
        official=Official(OFFICIAL["tracing"]),
    ),
)

PARTS: Mapping[str, Part] = {part.name: part for part in _ALL}
"""By name, in the order that they are built: what a first installation needs first comes first."""
