"""The example shop and the story that is told with it."""
