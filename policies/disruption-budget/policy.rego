package a1disruptionbudget

import data.lib.workload

budgets[budget] {
	budget := data.inventory.namespace[workload.subject.metadata.namespace]["policy/v1"].PodDisruptionBudget[_]
	selected := object.get(budget, ["spec", "selector", "matchLabels"], {})
	others := {key | value := selected[key]; object.get(workload.template, ["metadata", "labels", key], null) != value}
	count(others) == 0
}

violation[{"msg": msg}] {
	{"Deployment", "StatefulSet"}[workload.subject.kind]
	count(budgets) == 0
	msg := sprintf("%s '%s': declare a PodDisruptionBudget that selects its pods", [workload.subject.kind, workload.subject.metadata.name])
}

violation[{"msg": msg}] {
	workload.subject.kind == "PodDisruptionBudget"
	[field, value] := [["maxUnavailable", {0, "0%"}], ["minAvailable", {"100%"}]][_]
	value[workload.subject.spec[field]]
	msg := sprintf("PodDisruptionBudget '%s': set spec.maxUnavailable to 1 instead of %s to %v, which lets no node be drained", [workload.subject.metadata.name, field, workload.subject.spec[field]])
}
