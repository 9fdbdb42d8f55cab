"""Further operations and layers, one small file a family, each gradient beside its operation."""
