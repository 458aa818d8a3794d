"""What several techniques share to move bytes: streams, polling, HTTP, and error texts about connections."""
