"""The studio: a page in the browser, to paint what is broken, watch it heal, and stop in time.

It is a server for one person on their own machine. What it does with a picture is what the command
does, whose options it makes of the page's; while a fit goes on, it sees what the callback of the
Python interface sees.
"""
