"""Run the jobs of a recipe stage: once each, some side by side, loading ESPnet once."""

from espnet_tutornet.jobs.run import get_parser, main

__all__ = ["get_parser", "main"]

if __name__ == "__main__":
    main()
