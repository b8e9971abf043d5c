"""What a run has to show: on the terminal while it works, as one page afterwards, and as a file to take away.

``quantities`` and ``text`` say how numbers and tables read. ``terminal`` is the live view, ``result`` the words at the
end. ``html`` is the page, made of ``figures``, ``genes`` and ``machine``. ``export`` is the file, made of ``listing``,
the kernel's code, and ``standalone``, what stands around it.
"""
