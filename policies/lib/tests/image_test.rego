package lib.image_test

import data.lib.image

digest = "sha256:3f3f3f3f3f3f3f3f3f3f3f3f3f3f3f3f3f3f3f3f3f3f3f3f3f3f3f3f3f3f3f3f"

test_a_tag_follows_the_last_colon {
	image.tag("a1platform/mcp-services:1.4.2") == "1.4.2"
}

test_a_colon_before_the_last_slash_is_a_port {
	image.tag("registry.example.org:5000/mcp-services") == ""
	image.tag("registry.example.org:5000/mcp-services:1.4.2") == "1.4.2"
}

test_a_digest_is_no_tag {
	image.tag(sprintf("mcp-services@%s", [digest])) == ""
	image.tag(sprintf("mcp-services:1.4.2@%s", [digest])) == "1.4.2"
}

test_a_digest_has_all_its_digits {
	image.has_digest(sprintf("mcp-services@%s", [digest]))
	not image.has_digest("mcp-services@sha256:3f3f")
	not image.has_digest("mcp-services:1.4.2")
}

test_a_name_alone_is_of_docker_hub {
	image.qualified("nginx:1.27") == "docker.io/library/nginx:1.27"
	image.qualified("a1platform/mcp-services:1.4.2") == "docker.io/a1platform/mcp-services:1.4.2"
}

test_what_could_be_a_host_is_the_registry {
	every_one := {"localhost/x:1", "registry:5000/x:1", "ghcr.io/a1/x:1"}
	{reference | reference := every_one[_]; image.qualified(reference) == reference} == every_one
}
