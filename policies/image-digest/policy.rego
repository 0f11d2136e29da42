package a1imagedigest

import data.lib.image
import data.lib.workload

violation[{"msg": msg}] {
	service := workload.template.metadata.labels["app.kubernetes.io/name"]
	service == input.parameters.critical[_]
	container := workload.containers[_]
	not image.has_digest(container.image)
	msg := sprintf("%s: take image '%s' by its digest (@sha256:...), as '%s' is a critical service", [workload.name(container), container.image, service])
}
