package a1rbacwildcards

import data.lib.rbac
import data.lib.workload

violation[{"msg": msg}] {
	wildcard := rbac.wildcards(workload.subject)[_]
	msg := sprintf("Role '%s': replace '*' in %s by the names that are needed", [workload.subject.metadata.name, wildcard])
}

violation[{"msg": msg}] {
	workload.subject.roleRef.kind == "ClusterRole"
	workload.subject.roleRef.name == "cluster-admin"
	msg := sprintf("RoleBinding '%s': bind a Role with the rights that are needed instead of cluster-admin", [workload.subject.metadata.name])
}
