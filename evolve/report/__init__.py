"""What a run has to show: on the terminal while it works, as one page afterwards, and as a file to take away.

``quantities`` and ``text`` say how numbers and tables read. ``terminal`` is the live view, ``result`` the words at the
end. ``html`` is the page, with ``figures`` in it; ``export`` is the file, with ``standalone`` in it.
"""
