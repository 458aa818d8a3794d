"""The screen in a web page: one process of `chat` for each tab, behind a guard."""
