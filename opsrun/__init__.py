"""Composition: the command line, the settings and the processes of Opsrun."""
