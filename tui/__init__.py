"""The terminal client, built on Textual. It uses `chat.client.session.Session` and knows no technique."""
