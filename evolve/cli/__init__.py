"""The command line: ``main`` finds a command's file and reports errors, one file is one command."""
