"""Argo CD from its Go module, with the programs that its repository server calls."""

from collections.abc import Sequence
from pathlib import Path

from sandbox.build.chart import own_chart, set_version
from sandbox.build.compose import Image, compose
from sandbox.build.go import GoRecipe, build, download
from sandbox.build.image import ImageFile, ImageSettings
from sandbox.cache import Cache
from sandbox.progress import Progress

VERSION = "3.2.3"
HELM_VERSION = "v3.18.4"
_MODULE = "github.com/argoproj/argo-cd/v3"

PROGRAM = GoRecipe(
    name="argo-cd",
    module=_MODULE,
    version=f"v{VERSION}",
    programs={"argocd": "cmd"},
    variables={
        f"{_MODULE}/common.version": VERSION,
        f"{_MODULE}/common.gitTag": f"v{VERSION}",
        f"{_MODULE}/common.gitTreeState": "clean",
        f"{_MODULE}/common.kubectlVersion": "v0.34.0",
    },
)
"""Every role of Argo CD, chosen by the name that the program is called by."""

HELM = GoRecipe(
    name="helm",
    module="helm.sh/helm/v3",
    version=HELM_VERSION,
    programs={"helm": "cmd/helm"},
    variables={"helm.sh/helm/v3/internal/version.version": HELM_VERSION},
)

KUSTOMIZE = GoRecipe(
    name="kustomize",
    module="sigs.k8s.io/kustomize/kustomize/v5",
    version="v5.7.0",
    programs={"kustomize": ""},
    variables={"sigs.k8s.io/kustomize/api/provenance.version": "kustomize/v5.7.0"},
)

_REDIS = (
    "ecr-public.aws.com/docker/library/redis:8.2.2-alpine",
    "public.ecr.aws/docker/library/redis:8.2.2-alpine",
)
STAND_INS = dict.fromkeys(_REDIS, "Debian's redis-server")
"""References whose content is of another version, and which: the chart's and the install manifests' name."""

_USER = 999
_ROLES = (
    "server",
    "repo-server",
    "cmp-server",
    "application-controller",
    "dex",
    "notifications",
    "applicationset-controller",
    "k8s-auth",
    "commit-server",
)
_APPLETS = (
    "awk basename cat chmod cut date dirname echo env expr find grep head id ln ls mkdir mktemp mv printf "
    "readlink rm sed sh sleep sort tail tar test touch tr uname uniq wc xargs"
)
# What packages name as a dependency and these programs do not need.
_WITHOUT = (
    "adduser",
    "debconf",
    "git-man",
    "init-system-helpers",
    "libc-bin",
    "liberror-perl",
    "libsasl2-modules-db",
    "lsb-base",
    "passwd",
    "perl",
    "pinentry-curses",
    "readline-common",
)
# Upstream copies with options that busybox lacks; its target is always a pod's own empty folder.
_CP = """#!/bin/sh
for argument; do
  shift
  case "$argument" in
    -n | --update=none) ;;
    *) set -- "$@" "$argument" ;;
  esac
done
exec busybox cp "$@"
"""


def images(cache: Cache, progress: Progress) -> Sequence[ImageFile]:
    """Make Argo CD's image and Redis's, or find them in the cache; raises as `build` and `compose` do."""
    return [compose(image, cache, progress) for image in (_argo_cd(cache, progress), _redis())]


def _argo_cd(cache: Cache, progress: Progress) -> Image:
    module = download(PROGRAM, cache)
    scripts = {
        "gpg-wrapper.sh": "hack/gpg-wrapper.sh",
        "git-verify-wrapper.sh": "hack/git-verify-wrapper.sh",
        "entrypoint.sh": "entrypoint.sh",
    }
    local = "/usr/local/bin"
    return Image(
        name="argocd",
        references=(f"quay.io/argoproj/argocd:v{VERSION}",),
        settings=ImageSettings(
            entrypoint=("/usr/bin/tini", "--"),
            user=f"{_USER}:{_USER}",
            environment={
                "PATH": f"{local}:/usr/bin:/bin",
                "USER": "argocd",
                "HOME": "/home/argocd",
            },
            folder="/home/argocd",
            owners={"/home/argocd": _USER, "/app/config/gpg/keys": _USER},
        ),
        programs={
            f"{local}/argocd": build(PROGRAM, cache, progress) / "argocd",
            f"{local}/helm": build(HELM, cache, progress) / "helm",
            f"{local}/kustomize": build(KUSTOMIZE, cache, progress) / "kustomize",
        },
        packages=("busybox", "git", "gpg", "gpg-agent", "openssh-client", "tini"),
        without=_WITHOUT,
        files={
            **{f"{local}/{name}": (module / path).read_text() for name, path in scripts.items()},
            "/usr/bin/cp": _CP,
            "/app/config/ssh/ssh_known_hosts": "",
        },
        links={
            **{f"{local}/argocd-{role}": "argocd" for role in _ROLES},
            **{f"/usr/bin/{applet}": "busybox" for applet in _APPLETS.split()},
            f"{local}/uid_entrypoint.sh": "entrypoint.sh",
            "/etc/ssh/ssh_known_hosts": "/app/config/ssh/ssh_known_hosts",
        },
        folders={
            "/home/argocd": 0o775,
            "/app/config/tls": 0o755,
            "/app/config/gpg/source": 0o755,
            "/app/config/gpg/keys": 0o700,
        },
        certificates=True,
    )


def _redis() -> Image:
    return Image(
        name="redis",
        references=_REDIS,
        settings=ImageSettings(
            entrypoint=("/usr/bin/redis-server",),
            user=f"{_USER}:{_USER}",
            environment={"PATH": "/usr/bin:/bin"},
            folder="/data",
            owners={"/data": _USER},
            ports=("6379/tcp",),
        ),
        packages=("redis-server",),
        without=_WITHOUT,
        folders={"/data": 0o755},
    )


def chart(cache: Cache, progress: Progress, out: Path) -> str:
    """Fill a folder with our chart round upstream's install manifests and return its version."""
    del progress
    own_chart("argo-cd", out, (download(PROGRAM, cache) / "manifests" / "install.yaml").read_text())
    return set_version(out, VERSION, f"v{VERSION}")
