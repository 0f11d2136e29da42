# Where a role gives more than it names.
package lib.rbac

# A star may stand beside something else too: `/*` is every URL, `*/exec` that of every kind.
wildcards(role) = {sprintf("rules[%d].%s", [index, field]) |
	field := {"apiGroups", "nonResourceURLs", "resources", "verbs"}[_]
	contains(role.rules[index][field][_], "*")
}

# What every other right follows from, on every kind of a group that has such kinds.
everything(role) {
	rule := role.rules[_]
	{"*", "", "apps", "batch", "rbac.authorization.k8s.io"}[rule.apiGroups[_]]
	{"*", "*/*"}[rule.resources[_]]
	{"*", "create", "patch", "update"}[rule.verbs[_]]
}

# Whoever may act as anybody is in system:masters when it says so. Kubernetes' own `edit` acts as accounts of
# services; where that leads is a matter of where it is bound.
everything(role) {
	rule := role.rules[_]
	{"*", ""}[rule.apiGroups[_]]
	{"*", "groups", "users"}[rule.resources[_]]
	{"*", "impersonate"}[rule.verbs[_]]
	as_anybody(rule)
}

as_anybody(rule) {
	count(object.get(rule, "resourceNames", [])) == 0
}

as_anybody(rule) {
	rule.resourceNames[_] == "system:masters"
}
