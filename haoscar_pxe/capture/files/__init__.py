"""Names and bytes of the tree: the walk, what each name is, and reading files that may change."""
