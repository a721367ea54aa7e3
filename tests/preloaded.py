"""What the server imports that tests' processes are forked from."""

from tests import forked

forked.preload()
