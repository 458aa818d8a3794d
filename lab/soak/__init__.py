"""The soak: many clients over every technique come, talk, change, leave and suffer faults, for a long time.

At the end every view must equal the log, and nothing may be left: no task, thread, socket, file or seat.
"""
