"""The API process: HTTP, WebSockets, the hub, health and metrics."""
