"""The chat itself. Each package imports only packages below it, in this order:

``cli``; ``client`` and ``server``; (``backends``); ``transport``; ``background``; ``interfaces``; ``domain``.
Nothing is imported here, so that ``import chat.domain.model`` costs nothing.
"""
