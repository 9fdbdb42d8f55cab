"""What holds for every test here: Ctrl-C is heard.

A shell starts programs in the background deaf to SIGINT, and all that they start inherit it. The
tests of interruption would then wait for an interrupt that never comes.
"""

import signal

signal.signal(signal.SIGINT, signal.default_int_handler)
