"""Claims work, calls the API, and hands what came of it to a publisher. Knows no Discord.

It shares the ledger with the front and nothing else: an event wakes it, the ledger says what
there is to do, and whatever it was doing when it died is in the ledger still.
"""
