"""A classifier over HTTP: TensorFlow Serving's REST interface, and a page for people."""
