package a1rbacclusteradmin

import data.lib.rbac
import data.lib.workload

trusted(subject) {
	subject.kind == "ServiceAccount"
	subject.namespace == input.parameters.namespaces[_]
}

trusted(subject) {
	subject.kind == "Group"
	subject.name == input.parameters.groups[_]
}

trusted(subject) {
	subject.kind == "ServiceAccount"
	listed := input.parameters.bindings[_]
	listed.role == workload.subject.roleRef.name
	listed.account == sprintf("%s/%s", [subject.namespace, subject.name])
}

gives_everything {
	workload.subject.roleRef.name == "cluster-admin"
}

# A role that comes after its binding, or a moment before it, is not known yet; the audit sees both.
gives_everything {
	rbac.everything(data.inventory.cluster["rbac.authorization.k8s.io/v1"].ClusterRole[workload.subject.roleRef.name])
}

violation[{"msg": msg}] {
	binding := workload.subject
	gives_everything
	subject := binding.subjects[_]
	not trusted(subject)
	msg := sprintf("ClusterRoleBinding '%s': bind %s '%s' to a role with the rights that it needs instead of %s, which gives all", [binding.metadata.name, subject.kind, subject.name, binding.roleRef.name])
}
