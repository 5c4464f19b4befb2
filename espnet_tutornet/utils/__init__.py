"""Configuration, files, downloads and commands: what every room may use."""
