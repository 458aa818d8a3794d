"""The side of the room: the hub, its rooms and seats, the fan-out, the logs, and `chat serve`."""
