"""Redis or Valkey: connections, wake-ups and budgets."""
