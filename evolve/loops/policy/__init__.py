"""Loop ``policy``: when a race is over, evolved."""
