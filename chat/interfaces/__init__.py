"""What a technique, its client, its server and a log must provide: one file an interface."""
