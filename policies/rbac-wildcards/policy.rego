package a1rbacwildcards

import data.lib.rbac
import data.lib.workload

violation[{"msg": msg}] {
	wildcard := rbac.wildcards(workload.subject)[_]
	msg := sprintf("Role '%s': replace '*' in %s by the names that are needed", [workload.subject.metadata.name, wildcard])
}

# A `*` is told as such already.
violation[{"msg": msg}] {
	handed_out := rbac.beyond_its_own(workload.subject)[_]
	not startswith(handed_out, "'*'")
	msg := sprintf("Role '%s': remove %s, by which its holder gets every right of the namespace", [workload.subject.metadata.name, handed_out])
}

more_than_it_names(role) {
	role == "cluster-admin"
}

# A role that comes after its binding, or a moment before it, is not known yet; the audit sees both.
more_than_it_names(role) {
	rbac.wildcards(data.inventory.cluster["rbac.authorization.k8s.io/v1"].ClusterRole[role])[_]
}

more_than_it_names(role) {
	rbac.beyond_its_own(data.inventory.cluster["rbac.authorization.k8s.io/v1"].ClusterRole[role])[_]
}

violation[{"msg": msg}] {
	given := workload.subject.roleRef
	given.kind == "ClusterRole"
	more_than_it_names(given.name)
	msg := sprintf("RoleBinding '%s': bind a Role with the rights that are needed instead of %s", [workload.subject.metadata.name, given.name])
}
