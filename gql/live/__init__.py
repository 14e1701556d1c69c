"""Live subscriptions: equal subscribers form a group, which executes and sends each event once."""
