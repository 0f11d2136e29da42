"""All third-party parts, in the order that their webhooks and kinds ask for."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import pulumi

from a1platform.bundle import Bundle
from a1platform.delivery.manifest import Manifest
from a1platform.delivery.pulumi_sink import declare, logical_name
from a1platform.naming import token
from a1platform.platform import access, namespaces, network
from a1platform.platform.argocd import ArgoCd
from a1platform.platform.chart import MONITORING_CRDS
from a1platform.platform.external_secrets import ExternalSecrets, ExternalSecretsArgs
from a1platform.platform.gatekeeper import Gatekeeper, GatekeeperArgs
from a1platform.platform.image_scanning import ImageScanning
from a1platform.platform.keda import Keda
from a1platform.platform.kinds import upgrading
from a1platform.platform.monitoring import Monitoring, MonitoringArgs
from a1platform.platform.part import PartArgs, Slice
from a1platform.platform.policies import Policies, PoliciesArgs
from a1platform.platform.policy_set import load as load_policies
from a1platform.platform.recovery import RunOnServer, recovering, recovery_hook
from a1platform.platform.secrecy import kept_secret
from a1platform.platform.selection import NAMES, charts, has_grafana, report
from a1platform.platform.sizes import Sizing
from a1platform.platform.tracing import Tracing, TracingArgs
from a1platform.settings.access import AccessSettings
from a1platform.settings.platform import PartName, PlatformSettings
from a1platform.settings.policies import PolicySettings


@dataclass(frozen=True)
class PlatformArgs:
    """What the platform is made of.

    Attributes:
        settings: Its slice of the settings.
        policies: What Gatekeeper refuses.
        access: Who may do what in the cluster.
        namespaces: Namespaces of the services, which are made here so that every webhook finds their labels,
            and closed before anything can be in them.
        accounts_with_token: Accounts of the services whose pods call the Kubernetes API, as namespace/name.
        secrets: What the cluster-local store holds, Secret to key to value.
        secret: Whether the settings hold what is secret, so that what a site writes itself, its values for
            charts and its store, has to be.
        repository: What Argo CD syncs, which it has to reach.
        bundle: What everything is installed from; without one, charts and images are downloaded.
        images: What brings a part's images to the nodes, by part; without a bundle the nodes pull them.
        after: What everything waits for.
        on_server: Runs a script on a server of the cluster, to recover from a run that was killed, and to
            upgrade what Helm leaves as it is; without it the same failure is an error.
    """

    settings: PlatformSettings = field(default_factory=PlatformSettings)
    policies: PolicySettings = field(default_factory=PolicySettings)
    access: AccessSettings = field(default_factory=AccessSettings)
    namespaces: tuple[str, ...] = ("a1-orchestrator",)
    accounts_with_token: tuple[str, ...] = ()
    secrets: Mapping[str, Mapping[str, pulumi.Input[str]]] = field(default_factory=dict)
    secret: bool = False
    repository: str | None = None
    bundle: Bundle | None = None
    images: Mapping[str, Sequence[pulumi.Resource]] = field(default_factory=dict)
    after: Sequence[pulumi.Resource] = ()
    on_server: RunOnServer | None = None


class Platform(pulumi.ComponentResource):
    """The third-party parts that are switched on and can be had.

    The order, and what waits why:

    1. Every namespace with its labels: see `namespaces.py`.
    2. The monitoring stack's kinds: KEDA's chart fails without them, Argo CD's and External Secrets' leave
       their monitors out in silence.
    3. All parts at once. None needs another; Gatekeeper's webhook ignores their namespaces.
    4. The secret store once External Secrets answers, and the policies once Gatekeeper does: their
       webhooks, too, refuse what comes before they can answer.

    Depend on the component to wait for all of it.

    Attributes:
        parts: What each part was installed from, or why it is left out, by name.
        grafana_password: Of Grafana's user `admin`; empty without Grafana. Secret.
    """

    parts: pulumi.Output[dict[str, str]]
    grafana_password: pulumi.Output[str]

    services_need: list[pulumi.Resource]
    """What has to be there before the services: all but the parts that only look at them."""
    has_keda: bool
    """Whether ScaledObjects work on the cluster."""
    has_monitoring: bool
    """Whether ServiceMonitors and PrometheusRules work on the cluster."""
    has_tracing: bool
    """Whether Jaeger takes spans."""

    def __init__(self, name: str, args: PlatformArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        """Declare the parts.

        Args:
            name: Logical name.
            args: What the platform is made of.
            opts: The provider, and `deleted_with` the K3s installation.

        Raises:
            PolicyError: Policies and their settings contradict each other.
        """
        below: list[pulumi.ResourceTransformation] = [kept_secret] if args.secret else []
        if args.on_server is not None:
            below.append(recovering(recovery_hook(args.on_server)))
            # What is downloaded is on this machine only while it is installed.
            below += [upgrading(args.on_server)] if args.bundle else []
        opts = pulumi.ResourceOptions.merge(opts, pulumi.ResourceOptions(transformations=below))
        super().__init__(token("platform", "Platform"), name, None, opts)
        self._name, self._args = name, args
        self._sizing = Sizing(args.settings.profile, args.settings.sizes)
        self._exempt = tuple(load_policies().system_namespaces)
        self._charts = charts(args.settings, args.bundle)
        installed = self._charts.keys()
        self.has_keda, self.has_monitoring = "keda" in installed, "monitoring" in installed
        spaces = [one for part in NAMES if part in installed for one in namespaces.PARTS[part]]
        self.has_tracing = "tracing" in installed
        ready = namespaces.declare_namespaces(
            [*spaces, *args.namespaces],
            self._exempt,
            pulumi.ResourceOptions(parent=self, depends_on=list(args.after)),
        )
        closed = self._rules(spaces, pulumi.ResourceOptions(parent=self, depends_on=ready))
        self.services_need = [*ready, *closed]
        self.grafana_password = pulumi.Output.secret("")
        crds = self._monitoring(ready)
        self.services_need += crds
        self._gatekeeper(ready, next(iter(crds), None))
        self._others([*ready, *crds])
        told = report(args.settings, args.bundle)
        for part, text in told.items():
            if part not in installed:
                pulumi.log.info(f"{part}: {text}", self)
        self.parts = pulumi.Output.from_input(told)
        self.register_outputs({"parts": self.parts, "grafana_password": self.grafana_password})

    def _rules(self, spaces: Sequence[str], opts: pulumi.ResourceOptions) -> list[pulumi.Resource]:
        """Declare who may do what, and who may talk to whom; return what closes the services' namespaces."""
        held = access.bindings(self._args.access, self._args.namespaces, spaces)
        for one in (*access.roles(), *held):
            space = one["metadata"].get("namespace")
            # One role is bound in several of the parts' namespaces.
            declare(one, opts, name=f"{space}-{logical_name(one)}" if space in spaces else "")
        if self._args.settings.network_policies:
            for policy in network.reach_policies(spaces, self._args.settings, self._args.repository):
                _declare_policy(policy, opts)
        closed = [one for space in self._args.namespaces for one in network.closed_policies(space)]
        return [_declare_policy(one, opts) for one in closed]

    def _monitoring(self, after: Sequence[pulumi.Resource]) -> list[pulumi.Resource]:
        """Declare monitoring and return its kinds, none without it."""
        part = self._part("monitoring", self._args.settings.monitoring, after)
        if part is None:
            return []
        grafana = has_grafana(self._args.settings, self._args.bundle)
        monitoring = Monitoring(
            f"{self._name}-monitoring",
            MonitoringArgs(part, self._charts[MONITORING_CRDS], grafana),
            pulumi.ResourceOptions(parent=self),
        )
        self.grafana_password = monitoring.grafana_password
        return [monitoring.crds]

    def _gatekeeper(self, after: Sequence[pulumi.Resource], crds: pulumi.Resource | None) -> None:
        part = self._part("gatekeeper", self._args.settings.gatekeeper, after)
        if part is None:
            return
        below = pulumi.ResourceOptions(parent=self)
        online = self._args.bundle is None
        gatekeeper = Gatekeeper(
            f"{self._name}-gatekeeper", GatekeeperArgs(part, self._exempt, online, crds), below
        )
        self.services_need.append(gatekeeper)
        if self._args.policies.enabled:
            waits = (gatekeeper.release,)
            accounts = self._args.accounts_with_token
            wanted = PoliciesArgs(
                self._args.policies, namespaces.GATEKEEPER, accounts, crds=crds, after=waits
            )
            self.services_need.append(Policies(f"{self._name}-policies", wanted, below))

    def _others(self, after: Sequence[pulumi.Resource]) -> None:
        """Declare the parts that nothing here waits for."""
        settings, below = self._args.settings, pulumi.ResourceOptions(parent=self)
        if secrets := self._part("external-secrets", settings.external_secrets, after):
            made_of = ExternalSecretsArgs(secrets, self._args.secrets)
            store = ExternalSecrets(f"{self._name}-external-secrets", made_of, below)
            self.services_need.append(store)
        if keda := self._part("keda", settings.keda, after):
            self.services_need.append(Keda(f"{self._name}-keda", keda, below))
        if argo_cd := self._part("argo-cd", settings.argo_cd, after):
            self.services_need.append(ArgoCd(f"{self._name}-argo-cd", argo_cd, below))
        if tracing := self._part("tracing", settings.tracing, after):
            Tracing(f"{self._name}-tracing", TracingArgs(tracing, self._args.namespaces), below)
        if scanning := self._part("image-scanning", settings.image_scanning, after):
            ImageScanning(f"{self._name}-image-scanning", scanning, below)

    def _part(
        self, name: PartName, settings: Slice, after: Sequence[pulumi.Resource]
    ) -> PartArgs[Slice] | None:
        """Return what a part is made of, or None where it is not installed."""
        if name not in self._charts:
            return None
        images = self._args.images.get(name, ())
        return PartArgs(self._charts[name], settings, self._sizing, self.has_monitoring, images, after)


def _declare_policy(policy: Manifest, opts: pulumi.ResourceOptions) -> pulumi.Resource:
    """Declare a network policy, whose name is that of others in other namespaces."""
    about = policy["metadata"]
    return declare(policy, opts, name=f"{about['namespace']}-{about['name']}")
