"""ESPnet tasks of the plug-in."""
