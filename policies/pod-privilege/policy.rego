package a1podprivilege

import data.lib.workload

violation[{"msg": msg}] {
	container := workload.containers[_]
	container.securityContext.privileged
	msg := sprintf("%s: set securityContext.privileged to false; a privileged container owns the node", [workload.name(container)])
}

violation[{"msg": msg}] {
	container := workload.containers[_]
	object.get(container, ["securityContext", "allowPrivilegeEscalation"], true)
	msg := sprintf("%s: set securityContext.allowPrivilegeEscalation to false", [workload.name(container)])
}

violation[{"msg": msg}] {
	container := workload.containers[_]
	dropped := {name | name := upper(container.securityContext.capabilities.drop[_])}
	not dropped.ALL
	msg := sprintf("%s: set securityContext.capabilities.drop to [ALL]", [workload.name(container)])
}

violation[{"msg": msg}] {
	container := workload.containers[_]
	allowed := {name | name := input.parameters.capabilities[_]}
	added := {name | name := container.securityContext.capabilities.add[_]} - allowed
	count(added) > 0
	msg := sprintf("%s: remove %s from securityContext.capabilities.add; allowed: %s", [workload.name(container), concat(", ", added), concat(", ", allowed)])
}

violation[{"msg": msg}] {
	container := workload.containers[_]
	mount := object.get(container, ["securityContext", "procMount"], "Default")
	mount != "Default"
	msg := sprintf("%s: remove securityContext.procMount; only the default view of /proc is allowed", [workload.name(container)])
}
