package a1rbacclusteradmin

import data.lib.workload

trusted(subject) {
	subject.kind == "ServiceAccount"
	subject.namespace == input.parameters.namespaces[_]
}

trusted(subject) {
	subject.kind == "Group"
	subject.name == input.parameters.groups[_]
}

violation[{"msg": msg}] {
	binding := workload.subject
	binding.roleRef.name == "cluster-admin"
	subject := binding.subjects[_]
	not trusted(subject)
	msg := sprintf("ClusterRoleBinding '%s': bind %s '%s' to a role with the rights that it needs instead of cluster-admin", [binding.metadata.name, subject.kind, subject.name])
}
