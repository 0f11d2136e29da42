"""The services in the cluster, declared by Pulumi or handed to Argo CD."""

from collections.abc import Sequence
from dataclasses import dataclass, field

import pulumi

from a1platform.delivery import argocd
from a1platform.delivery.manifest import Manifest
from a1platform.delivery.pulumi_sink import applied_as, awaited, declare, declare_secret, logical_name
from a1platform.naming import token
from a1platform.platform.recovery import RunOnServer, recovering
from a1platform.services.builders import service_objects
from a1platform.services.catalog import GATEWAY
from a1platform.services.failure import EXPLAINED, failure_hook
from a1platform.services.model import HTTP_PORT, Capabilities, McpServiceArgs
from a1platform.services.pruning import AUTOSCALERS, handing_over, inventory, pruning
from a1platform.services.render import root_application, root_project, services_project
from a1platform.services.resolve import NAMESPACE, resolve
from a1platform.services.shared import shared_objects
from a1platform.settings.services import Delivery, GitCredentials, GitopsSettings, ServicesSettings

_SYNCED_WITHIN_SECONDS = 900
_WAITS_FOR = {
    # What a service calls is open before the policy that once opened it is about its callers alone.
    "NetworkPolicy": frozenset({"NetworkPolicy"}),
    # Never for a Service: the provider calls one ready when it has pods, and those come from the Deployment.
    "Deployment": frozenset({"NetworkPolicy", "ServiceAccount", "Role", "RoleBinding", "ExternalSecret"}),
    # KEDA's webhook looks at the requests of the workload, so that has to be there.
    "ScaledObject": frozenset({"Deployment"}),
    "HorizontalPodAutoscaler": frozenset({"Deployment"}),
}
"""Kinds that an object of a kind waits for; all others are declared at once."""


class McpService(pulumi.ComponentResource):
    """One service: every object that its arguments give, each a child."""

    declared: list[pulumi.Resource]
    """The objects."""

    def __init__(
        self,
        name: str,
        args: McpServiceArgs,
        after: Sequence[pulumi.Resource] = (),
        handover: pulumi.ResourceHookBinding | None = None,
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        """Declare the objects.

        Args:
            name: Logical name.
            args: The resolved service.
            after: What every object waits for; a component's own `depends_on` does not reach its children.
            handover: What makes room for a plain autoscaler where KEDA's may have been.
            opts: Provider and parent.
        """
        super().__init__(token("services", "McpService"), name, None, opts)
        declared: dict[str, list[pulumi.Resource]] = {}
        for manifest in service_objects(args):
            kind = manifest["kind"]
            needed = [one for other in _WAITS_FOR.get(kind, ()) for one in declared.get(other, [])]
            hooks = handover if kind == "HorizontalPodAutoscaler" else None
            declared.setdefault(kind, []).append(_declare(manifest, self, [*after, *needed], hooks))
        self.declared = [one for kind in declared.values() for one in kind]
        self.register_outputs({})


@dataclass(frozen=True)
class McpServicesArgs:
    """What the services need from the rest of the platform.

    Attributes:
        settings: Their slice of the configuration.
        capabilities: What the installed platform offers.
        after: What every object waits for: namespace, secret store, operators, policies, Argo CD.
        on_server: Runs a script on a server of the cluster, to tell why a service does not become ready, and
            to delete what is no longer declared; without it a failure says no more than Pulumi does.
    """

    settings: ServicesSettings
    capabilities: Capabilities = field(default_factory=Capabilities)
    after: Sequence[pulumi.Resource] = ()
    on_server: RunOnServer | None = None


class McpServices(pulumi.ComponentResource):
    """All services of the catalog, or with `delivery: argocd` only the root Application and the projects.

    Attributes:
        names: The services, in the catalog's order.
        gateway_url: The gateway's address inside the cluster.
    """

    names: pulumi.Output[Sequence[str]]
    gateway_url: pulumi.Output[str]

    def __init__(self, name: str, args: McpServicesArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        """Declare the services.

        Args:
            name: Logical name.
            args: See `McpServicesArgs`.
            opts: Provider.

        Raises:
            ValueError: Settings and catalog contradict each other; the text starts with the key.
        """
        if args.on_server is not None:
            hook = failure_hook(args.on_server, NAMESPACE)
            below = pulumi.ResourceOptions(transformations=[recovering(hook, EXPLAINED)])
            opts = pulumi.ResourceOptions.merge(opts, below)
        super().__init__(token("services", "McpServices"), name, None, opts)
        services = resolve(args.settings, args.capabilities)
        if args.settings.delivery is Delivery.ARGOCD:
            self._root(args.settings.gitops, args.after)
        else:
            self._services(services, args)
        self.names = pulumi.Output.from_input([one.entry.name for one in services])
        self.gateway_url = pulumi.Output.from_input(f"http://{GATEWAY}.{NAMESPACE}.svc:{HTTP_PORT}")
        self.register_outputs({"names": self.names, "gateway_url": self.gateway_url})

    def _root(self, gitops: GitopsSettings, after: Sequence[pulumi.Resource]) -> None:
        own = pulumi.ResourceOptions(parent=self, depends_on=list(after))
        root_bound = declare(root_project(gitops), own)
        # After the root's: once that one allows no project, Argo CD leaves alone the one that Git has brought
        # in an earlier version. Taken over in Argo CD's name it loses its mark as Git's, and is never pruned.
        taken_over = applied_as(argocd.FIELD_MANAGER, services_project(gitops))
        bound = declare(taken_over, pulumi.ResourceOptions(parent=self, depends_on=[root_bound]))
        needed: list[pulumi.Resource] = [root_bound, bound]
        root = root_application(gitops)
        if gitops.credentials is not None:
            url = root["spec"]["source"]["repoURL"]
            access = argocd.repository_secret(url, _access(gitops.credentials))
            needed.append(declare_secret(logical_name(access), access["metadata"], access["stringData"], own))
        # As with Pulumi's own delivery, a run ends when the services are there.
        watched = awaited(root, argocd.synced(root), _SYNCED_WITHIN_SECONDS)
        declare(watched, pulumi.ResourceOptions(parent=self, depends_on=needed))

    def _services(self, services: Sequence[McpServiceArgs], args: McpServicesArgs) -> None:
        objects = shared_objects(services, args.settings.quota)
        shared = [_declare(one, self, args.after) for one in objects]
        run, own = args.on_server, pulumi.ResourceOptions(parent=self)
        handover = handing_over(run) if run else None
        after = [*args.after, *shared]
        made = [McpService(one.entry.name, one, after, handover, own) for one in services]
        if run is None:
            return
        objects += [one for service in services for one in service_objects(service)]
        everything = [*shared, *(one for service in made for one in service.declared)]
        options = pulumi.ResourceOptions(parent=self, depends_on=everything, hooks=pruning(run))
        declare(inventory(objects, NAMESPACE), options)


def _access(credentials: GitCredentials) -> dict[str, pulumi.Input[str]]:
    """Return what opens a repository, as Argo CD names it; what is secret stays so in Pulumi's state."""
    if credentials.ssh_private_key is not None:
        return {"sshPrivateKey": pulumi.Output.secret(credentials.ssh_private_key.get_secret_value())}
    password = credentials.password.get_secret_value() if credentials.password else ""
    return {"username": credentials.username, "password": pulumi.Output.secret(password)}


def _declare(
    manifest: Manifest,
    parent: pulumi.Resource,
    needed: Sequence[pulumi.Resource],
    hooks: pulumi.ResourceHookBinding | None = None,
) -> pulumi.CustomResource:
    """Declare an object of the services in a way that Argo CD can take it over.

    When the delivery moves to Argo CD the objects leave this program and must live on. An autoscaler may go:
    no pod hangs on it, and one that a later version replaces by the other kind has to.
    """
    options = pulumi.ResourceOptions(
        parent=parent,
        depends_on=list(needed),
        retain_on_delete=manifest["kind"] not in AUTOSCALERS,
        hooks=hooks,
    )
    return declare(applied_as(argocd.FIELD_MANAGER, manifest), options)
