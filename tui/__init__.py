"""The terminal client, built on Textual. It uses `chat.client.session.Session` and knows no technique."""

import os

# Textual paints 60 times a second, if nothing else is said before it is imported. So a key that comes behind
# a message would wait for up to 17 ms. It paints only what has changed, so an idle screen costs nothing more.
os.environ.setdefault("TEXTUAL_FPS", "240")
