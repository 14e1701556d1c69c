"""A package beside Opsrun, as the tests have it on their path: a run type and a schema part."""
