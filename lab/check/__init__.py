"""Whether a server keeps what it promises: histories of clients, and a checker that judges them.

The checker reads files and nothing else. It can judge any server, also one that is not ours.
"""
