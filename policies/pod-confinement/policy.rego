package a1podconfinement

import data.lib.workload

violation[{"msg": msg}] {
	container := workload.containers[_]
	profile := workload.security(container, ["seccompProfile", "type"])
	not {"RuntimeDefault", "Localhost"}[profile]
	msg := sprintf("%s: set securityContext.seccompProfile.type to RuntimeDefault, here or for the pod", [workload.name(container)])
}

violation[{"msg": msg}] {
	container := workload.containers[_]
	workload.security(container, ["appArmorProfile", "type"]) == "Unconfined"
	msg := sprintf("%s: set securityContext.appArmorProfile.type to RuntimeDefault", [workload.name(container)])
}

violation[{"msg": msg}] {
	profile := workload.template.metadata.annotations[annotation]
	startswith(annotation, "container.apparmor.security.beta.kubernetes.io/")
	profile == "unconfined"
	msg := sprintf("pod: remove the annotation %s, or set it to runtime/default", [annotation])
}

violation[{"msg": msg}] {
	container := workload.containers[_]
	field := {"user", "role"}[_]
	not {null, ""}[workload.security(container, ["seLinuxOptions", field])]
	msg := sprintf("%s: remove securityContext.seLinuxOptions.%s", [workload.name(container), field])
}

violation[{"msg": msg}] {
	container := workload.containers[_]
	type := workload.security(container, ["seLinuxOptions", "type"])
	not {null, "", "container_engine_t", "container_init_t", "container_kvm_t", "container_t"}[type]
	msg := sprintf("%s: remove securityContext.seLinuxOptions.type, or set it to container_t", [workload.name(container)])
}
