package a1poduser

import data.lib.workload

violation[{"msg": msg}] {
	container := workload.containers[_]
	workload.security(container, ["runAsNonRoot"]) != true
	msg := sprintf("%s: set securityContext.runAsNonRoot to true, here or for the pod", [workload.name(container)])
}

violation[{"msg": msg}] {
	container := workload.containers[_]
	workload.security(container, ["runAsUser"]) == 0
	msg := sprintf("%s: set securityContext.runAsUser to a user other than 0", [workload.name(container)])
}
