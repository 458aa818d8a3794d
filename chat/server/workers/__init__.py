"""Several processes that serve one address: workers, which share the log of the process that started them."""
