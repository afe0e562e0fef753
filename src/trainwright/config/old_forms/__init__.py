"""Configurations as older code has them: `key = value` files, Namespaces, nodes with freeze and merge, dataclasses, OmegaConf objects."""
