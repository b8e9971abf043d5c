"""Loop ``tricks``: what levels 1 to 4 found, on and off."""
