"""What the groups about work share: queues of empty runs, generated exports, started runs."""
