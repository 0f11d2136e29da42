package a1imagetag

import data.lib.image
import data.lib.workload

violation[{"msg": msg}] {
	container := workload.containers[_]
	image.tag(container.image) == ""
	not image.has_digest(container.image)
	msg := sprintf("%s: give image '%s' a version tag or a digest", [workload.name(container), container.image])
}

violation[{"msg": msg}] {
	container := workload.containers[_]
	tag := image.tag(container.image)
	tag == input.parameters.tags[_]
	not image.has_digest(container.image)
	msg := sprintf("%s: replace tag '%s' of image '%s' by a version or a digest", [workload.name(container), tag, container.image])
}

# What a digest names is the same wherever it comes from; a version could be another one at the next start.
violation[{"msg": msg}] {
	container := workload.containers[_]
	container.imagePullPolicy == "Always"
	not image.has_digest(container.image)
	msg := sprintf("%s: set imagePullPolicy to IfNotPresent, so that a start needs no registry and runs the same image '%s'", [workload.name(container), container.image])
}
