"""The terminal client on Textual. It speaks to `chat.client.session.Session` and knows no technique."""
