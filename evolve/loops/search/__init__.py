"""Loop ``search``: the settings of the search, tuned by itself."""
