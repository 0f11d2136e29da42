"""The images that K3s itself asks for, from Go modules, Debian packages and twenty lines of C."""

import hashlib
import subprocess
from collections.abc import Sequence
from pathlib import Path

from sandbox.build.compose import Image, compose
from sandbox.build.go import BuildError, GoRecipe, build, download
from sandbox.build.image import ImageFile, ImageSettings
from sandbox.cache import Cache
from sandbox.progress import Progress
from sandbox.recipes import k3s

COREDNS = GoRecipe(
    name="coredns",
    module="github.com/coredns/coredns",
    version="v1.11.3",
    programs={"coredns": ""},
)

METRICS_SERVER = GoRecipe(
    name="metrics-server",
    module="sigs.k8s.io/metrics-server",
    version="v0.7.2",
    programs={"metrics-server": "cmd/metrics-server"},
    variables={"k8s.io/client-go/pkg/version.gitVersion": "v0.7.2"},
)

LOCAL_PATH = GoRecipe(
    name="local-path-provisioner",
    module="github.com/rancher/local-path-provisioner",
    # K3s asks for v0.0.28; this is the one version that the module proxy serves.
    version="v0.0.30",
    programs={"local-path-provisioner": ""},
    variables={"main.VERSION": "v0.0.30"},
)

REFERENCES = (
    "docker.io/rancher/mirrored-pause:3.6",
    "docker.io/rancher/mirrored-library-busybox:1.36.1",
    "docker.io/rancher/mirrored-coredns-coredns:1.11.3",
    "docker.io/rancher/mirrored-metrics-server:v0.7.2",
    "docker.io/rancher/local-path-provisioner:v0.0.28",
)
"""What K3s v1.30.5+k3s1 asks for, with what our configuration switches off left out; see `require_listed`."""
_PAUSE_IMAGE, _BUSYBOX_IMAGE, _COREDNS_IMAGE, _METRICS_IMAGE, _LOCAL_PATH_IMAGE = REFERENCES

_SWITCHED_OFF = ("rancher/mirrored-library-traefik:", "rancher/klipper-lb:", "rancher/klipper-helm:")
"""Images of Traefik, of the load balancer for Services, and of the job that installs Traefik's chart."""
_LIST = Path("scripts", "airgap", "image-list.txt")
"""In K3s's module: the images for machines without a network."""

STAND_INS = {
    _LOCAL_PATH_IMAGE: "v0.0.30, the one version on the module proxy",
    _BUSYBOX_IMAGE: "Debian's busybox",
}
"""References whose content is of another version, and which."""

_PAUSE = Path(__file__).parent / "pause" / "pause.c"
_BUSYBOX_APPLETS = (
    "awk base64 basename cat chmod chown cp cut date dd df dirname du echo env expr false find "
    "getopt grep gunzip gzip head hostname id ip kill less ln ls md5sum mkdir mkfifo mknod mktemp "
    "more mount mv nc nslookup od pidof ping printf ps pwd readlink realpath rm rmdir sed seq sh "
    "sha256sum sleep sort stat stty sync tail tar tee telnet test time timeout top touch tr true tty "
    "udhcpc umount uname uniq unzip uptime vi watch wc wget which xargs yes"
)


def system_images(cache: Cache, progress: Progress) -> Sequence[ImageFile]:
    """Make the images of K3s's own pods, or find them in the cache.

    Raises:
        BuildError: A program cannot be built.
        DebianError: A package cannot be had.
    """
    require_listed((download(k3s.PROGRAMS, cache, progress) / _LIST).read_text(encoding="utf-8"))
    return [compose(image, cache, progress) for image in _images(cache, progress)]


def require_listed(listed: str) -> None:
    """Return where we make the images that K3s itself lists, no fewer and no others.

    Args:
        listed: K3s's list, a reference a line.

    Raises:
        BuildError: Another release of K3s asks for others.
    """
    wanted = {one for one in listed.split() if not any(off in one for off in _SWITCHED_OFF)}
    if differing := wanted.symmetric_difference(REFERENCES):
        raise BuildError(
            f"images of K3s: {', '.join(sorted(differing))}: either in its list or made, not both"
        )


def _images(cache: Cache, progress: Progress) -> Sequence[Image]:
    anyone = ImageSettings(user="65535:65535", entrypoint=("/pause",))
    local_path = build(LOCAL_PATH, cache, progress) / "local-path-provisioner"
    metrics = build(METRICS_SERVER, cache, progress) / "metrics-server"
    coredns = build(COREDNS, cache, progress) / "coredns"
    return (
        Image(
            name="pause",
            references=(_PAUSE_IMAGE,),
            settings=anyone,
            programs={"/pause": pause(cache)},
        ),
        Image(
            name="busybox",
            references=(_BUSYBOX_IMAGE,),
            # The pods that make and remove a volume's folder run as root, as with the official image.
            settings=ImageSettings(command=("sh",), user="0:0", environment={"PATH": "/usr/bin:/bin"}),
            packages=("busybox",),
            links={f"/usr/bin/{applet}": "busybox" for applet in _BUSYBOX_APPLETS.split()},
        ),
        Image(
            name="coredns",
            references=(_COREDNS_IMAGE,),
            # K3s's manifest grants port 53 by a capability, which only root keeps under no_new_privs.
            settings=ImageSettings(entrypoint=("/coredns",), user="0:0", ports=("53/tcp", "53/udp")),
            programs={"/coredns": coredns},
            certificates=True,
        ),
        Image(
            name="metrics-server",
            references=(_METRICS_IMAGE,),
            settings=ImageSettings(entrypoint=("/metrics-server",)),
            programs={"/metrics-server": metrics},
        ),
        Image(
            name="local-path-provisioner",
            references=(
                "docker.io/rancher/local-path-provisioner:v0.0.30",
                _LOCAL_PATH_IMAGE,
            ),
            settings=ImageSettings(
                command=("local-path-provisioner",), user="0:0", environment={"PATH": "/usr/bin"}
            ),
            programs={"/usr/bin/local-path-provisioner": local_path},
        ),
    )


def pause(cache: Cache) -> Path:
    """Compile the program that holds a pod's namespaces.

    Raises:
        BuildError: The C compiler does not link statically.
    """
    digest = hashlib.sha256(_PAUSE.read_bytes()).hexdigest()
    target = cache.root / "programs" / f"pause-{digest[:12]}"
    with cache.lock("pause"):
        if not target.is_dir():
            with cache.making(target) as work:
                command = ["gcc", "-Os", "-static", "-s", "-o", str(work / "pause"), str(_PAUSE)]
                done = subprocess.run(command, capture_output=True, text=True, check=False)
                if done.returncode:
                    raise BuildError(f"pause does not compile:\n{done.stderr.strip()[-2000:]}")
    return target / "pause"
