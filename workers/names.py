"""Names that the senders and the receivers of messages share."""

QUEUE = "opsrun"
"""The stream that carries messages, and its consumer group."""
ANY_NAME = "*"
"""The name of the task that gets the messages whose name no task has."""
