package a1podhostaccess

import data.lib.workload

violation[{"msg": msg}] {
	field := {"hostNetwork", "hostPID", "hostIPC"}[_]
	workload.spec[field]
	msg := sprintf("pod: remove %s or set it to false; a pod shares no namespace with the node", [field])
}

violation[{"msg": msg}] {
	container := workload.containers[_]
	workload.security(container, ["windowsOptions", "hostProcess"]) == true
	msg := sprintf("%s: remove securityContext.windowsOptions.hostProcess; a container is no process of the node", [workload.name(container)])
}

violation[{"msg": msg}] {
	container := workload.containers[_]
	port := container.ports[_]
	object.get(port, "hostPort", 0) != 0
	msg := sprintf("%s: remove hostPort %v and declare a Service", [workload.name(container), port.hostPort])
}

violation[{"msg": msg}] {
	volume := workload.spec.volumes[_]
	allowed := {type | type := input.parameters.volumes[_]}
	types := {type | volume[type]; type != "name"} - allowed
	count(types) > 0
	msg := sprintf("volume '%s': replace %s by one of %s", [volume.name, concat(", ", types), concat(", ", allowed)])
}

violation[{"msg": msg}] {
	allowed := {name | name := input.parameters.sysctls[_]}
	sysctl := workload.spec.securityContext.sysctls[_]
	not allowed[sysctl.name]
	msg := sprintf("pod: remove sysctl %s from securityContext.sysctls; allowed: %s", [sysctl.name, concat(", ", allowed)])
}
