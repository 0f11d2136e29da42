package lib.rbac_test

import data.lib.rbac

test_a_role_that_names_everything_has_no_wildcard {
	rbac.wildcards({"rules": [{"apiGroups": [""], "resources": ["pods"], "verbs": ["get"]}]}) == set()
}

test_each_wildcard_is_told_with_its_place {
	rules := [{"apiGroups": [""], "resources": ["pods"], "verbs": ["get", "*"]}, {"nonResourceURLs": ["*"]}]
	rbac.wildcards({"rules": rules}) == {"rules[0].verbs", "rules[1].nonResourceURLs"}
}

test_a_wildcard_beside_something_else_is_one {
	rules := [{"nonResourceURLs": ["/*"]}, {"resources": ["pods", "*/exec"]}]
	rbac.wildcards({"rules": rules}) == {"rules[0].nonResourceURLs", "rules[1].resources"}
}

test_a_binding_has_none {
	rbac.wildcards({"roleRef": {"name": "view"}}) == set()
}

test_who_may_write_whatever_there_is_may_do_everything {
	rbac.everything({"rules": [{"apiGroups": ["*"], "resources": ["*"], "verbs": ["get", "patch"]}]})
	rbac.everything({"rules": [{"apiGroups": [""], "resources": ["*"], "verbs": ["*"]}]})
}

test_who_reads_everything_or_writes_kinds_of_its_own_may_not_do_everything {
	not rbac.everything({"rules": [{"apiGroups": ["*"], "resources": ["*"], "verbs": ["get", "list"]}]})
	not rbac.everything({"rules": [{"apiGroups": ["example.org"], "resources": ["*"], "verbs": ["*"]}]})
	not rbac.everything({"rules": [{"apiGroups": [""], "resources": ["pods"], "verbs": ["*"]}]})
}

test_who_may_act_as_any_user_or_group_may_do_everything {
	rbac.everything({"rules": [{"apiGroups": [""], "resources": ["users"], "verbs": ["impersonate"]}]})
	rbac.everything({"rules": [{"apiGroups": ["*"], "resources": ["groups"], "verbs": ["get", "*"]}]})
	rbac.everything({"rules": [{"apiGroups": [""], "resources": ["*"], "verbs": ["impersonate"]}]})
	rbac.everything({"rules": [{"apiGroups": [""], "resources": ["groups"], "resourceNames": ["system:masters"], "verbs": ["impersonate"]}]})
}

test_who_may_act_as_named_people_or_as_an_account_of_a_service_may_not_do_everything {
	not rbac.everything({"rules": [{"apiGroups": [""], "resources": ["users"], "resourceNames": ["alice"], "verbs": ["impersonate"]}]})
	not rbac.everything({"rules": [{"apiGroups": [""], "resources": ["serviceaccounts"], "verbs": ["impersonate"]}]})
	not rbac.everything({"rules": [{"apiGroups": ["example.org"], "resources": ["users"], "verbs": ["impersonate"]}]})
	not rbac.everything({"rules": [{"apiGroups": [""], "resources": ["users"], "verbs": ["get", "list"]}]})
}

test_who_may_bind_any_role_or_write_more_into_one_than_they_have_may_do_everything {
	rbac.everything({"rules": [{"apiGroups": ["rbac.authorization.k8s.io"], "resources": ["clusterroles"], "verbs": ["bind"]}]})
	rbac.everything({"rules": [{"apiGroups": ["rbac.authorization.k8s.io"], "resources": ["roles"], "verbs": ["update", "escalate"]}]})
	rbac.everything({"rules": [{"apiGroups": ["*"], "resources": ["*"], "verbs": ["bind"]}]})
	rbac.everything({"rules": [{"apiGroups": ["rbac.authorization.k8s.io"], "resources": ["clusterroles"], "verbs": ["*"]}]})
	rbac.everything({"rules": [{"apiGroups": ["rbac.authorization.k8s.io"], "resources": ["clusterroles"], "resourceNames": ["view", "cluster-admin"], "verbs": ["bind"]}]})
	rbac.everything({"rules": [{"apiGroups": ["rbac.authorization.k8s.io"], "resources": ["clusterroles"], "resourceNames": ["view"], "verbs": ["escalate"]}]})
}

test_who_may_bind_named_roles_or_write_roles_within_their_own_rights_may_not_do_everything {
	not rbac.everything({"rules": [{"apiGroups": ["rbac.authorization.k8s.io"], "resources": ["clusterroles"], "resourceNames": ["view"], "verbs": ["bind"]}]})
	not rbac.everything({"rules": [{"apiGroups": ["rbac.authorization.k8s.io"], "resources": ["roles", "rolebindings"], "verbs": ["create", "update", "delete"]}]})
	not rbac.everything({"rules": [{"apiGroups": ["rbac.authorization.k8s.io"], "resources": ["rolebindings"], "verbs": ["bind", "escalate"]}]})
	not rbac.everything({"rules": [{"apiGroups": ["example.org"], "resources": ["roles"], "verbs": ["bind", "escalate"]}]})
}

test_each_verb_that_hands_out_more_than_its_holder_has_is_told_with_its_place {
	rules := [
		{"apiGroups": [""], "resources": ["pods"], "verbs": ["get"]},
		{"apiGroups": ["rbac.authorization.k8s.io"], "resources": ["roles", "clusterroles"], "verbs": ["bind", "get", "escalate"]},
	]
	rbac.beyond_its_own({"rules": rules}) == {"'bind' in rules[1].verbs", "'escalate' in rules[1].verbs"}
}

test_a_binding_hands_out_nothing_by_itself {
	rbac.beyond_its_own({"roleRef": {"name": "view"}}) == set()
}
