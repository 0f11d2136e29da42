package lib.workload_test

import data.lib.workload

spec = {"containers": [{"name": "main"}], "initContainers": [{"name": "first"}]}

test_a_pod_is_its_own_template {
	pod := {"kind": "Pod", "spec": spec}
	workload.spec == spec with input as {"review": {"object": pod}}
}

test_a_deployment_has_its_pod_in_its_template {
	deployment := {"kind": "Deployment", "spec": {"template": {"spec": spec}}}
	workload.spec == spec with input as {"review": {"object": deployment}}
}

test_a_cronjob_has_its_pod_in_its_jobs_template {
	cronjob := {"kind": "CronJob", "spec": {"jobTemplate": {"spec": {"template": {"spec": spec}}}}}
	workload.spec == spec with input as {"review": {"object": cronjob}}
}

test_containers_of_every_kind_are_seen {
	pod := {"kind": "Pod", "spec": object.union(spec, {"ephemeralContainers": [{"name": "debug"}]})}
	found := workload.containers with input as {"review": {"object": pod}}
	{container.name | container := found[_]} == {"main", "first", "debug"}
}

leaving = {"deletionTimestamp": "2026-01-01T00:00:00Z"}

held = object.union(leaving, {"finalizers": ["a1/hold"]})

test_what_is_being_deleted_is_not_looked_at_while_only_its_metadata_changes {
	review := {"object": {"kind": "Pod", "metadata": leaving, "spec": spec}, "oldObject": {"kind": "Pod", "metadata": held, "spec": spec}}
	not workload.subject with input as {"review": review}
}

test_what_is_being_deleted_is_looked_at_when_it_becomes_something_else {
	before := {"kind": "Service", "metadata": held, "spec": {"type": "ClusterIP"}}
	after := {"kind": "Service", "metadata": held, "spec": {"type": "NodePort"}}
	workload.subject == after with input as {"review": {"object": after, "oldObject": before}}
}

test_what_is_being_deleted_is_looked_at_by_the_audit {
	service := {"kind": "Service", "metadata": held, "spec": {"type": "NodePort"}}
	workload.subject == service with input as {"review": {"object": service, "oldObject": null}}
	workload.subject == service with input as {"review": {"object": service}}
}

test_what_stays_is_looked_at_even_when_nothing_changes {
	service := {"kind": "Service", "metadata": {}, "spec": {"type": "NodePort"}}
	workload.subject == service with input as {"review": {"object": service, "oldObject": service}}
}

test_a_container_wins_over_its_pod {
	pod := {"kind": "Pod", "spec": {"securityContext": {"runAsUser": 1}}}
	own := {"name": "own", "securityContext": {"runAsUser": 0}}
	workload.security(own, ["runAsUser"]) == 0 with input as {"review": {"object": pod}}
	workload.security({"name": "none"}, ["runAsUser"]) == 1 with input as {"review": {"object": pod}}
	workload.security({"name": "none"}, ["runAsGroup"]) == null with input as {"review": {"object": pod}}
}
