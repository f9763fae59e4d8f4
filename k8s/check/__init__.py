"""What a schema does not say of the manifests: whether they fit together, and fit the code."""
