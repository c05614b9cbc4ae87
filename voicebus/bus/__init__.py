"""The bus: a client over nats-py that is typed by the catalog."""
