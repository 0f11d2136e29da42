package a1serviceaccount

import data.lib.workload

account = workload.subject {
	workload.subject.kind == "ServiceAccount"
}

secret = workload.subject {
	workload.subject.kind == "Secret"
	workload.subject.type == "kubernetes.io/service-account-token"
}

pod = workload.spec {
	not {"Secret", "ServiceAccount"}[workload.subject.kind]
}

holder = object.get(pod, "serviceAccountName", "")

holder = object.get(secret, ["metadata", "annotations", "kubernetes.io/service-account.name"], "")

may_have_token {
	key := sprintf("%s/%s", [workload.subject.metadata.namespace, holder])
	key == input.parameters.accountsWithToken[_]
}

violation[{"msg": msg}] {
	{"", "default"}[object.get(pod, "serviceAccountName", "")]
	msg := "pod: set serviceAccountName to an account of its own instead of 'default'"
}

violation[{"msg": msg}] {
	object.get(pod, "automountServiceAccountToken", true)
	not may_have_token
	msg := "pod: set automountServiceAccountToken to false; a pod that calls the Kubernetes API has its account listed in the policy"
}

violation[{"msg": msg}] {
	volume := pod.volumes[_]
	volume.projected.sources[_].serviceAccountToken
	not may_have_token
	msg := sprintf("volume '%s': remove serviceAccountToken from projected.sources; a pod that calls the Kubernetes API has its account listed in the policy", [volume.name])
}

# A pod that may have a token asks for it itself. Kubernetes itself makes and keeps the account 'default'.
violation[{"msg": msg}] {
	account.metadata.name != "default"
	object.get(account, "automountServiceAccountToken", true)
	msg := sprintf("ServiceAccount '%s': set automountServiceAccountToken to false", [account.metadata.name])
}

# As an ordinary volume it is a token that no rule on pods sees.
violation[{"msg": msg}] {
	secret
	not may_have_token
	msg := sprintf("Secret '%s': remove it, its token of account '%s' never expires; a pod that calls the Kubernetes API has its account listed in the policy", [secret.metadata.name, holder])
}
