"""The side of the person who talks: a session that outlives its connections, and what it needs."""
