"""A local A1: a node in a container, and the toolchain where nothing can be downloaded."""
