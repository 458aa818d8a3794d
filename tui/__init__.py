"""The terminal client on Textual. It speaks to `chat.session.Session` and knows no technique."""
