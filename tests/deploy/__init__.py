"""The image, the compose file, the manifests and the units in `deploy/`."""
