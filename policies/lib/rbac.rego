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
