"""Run stages of this recipe; readme.md has the commands."""

from espnet_tutornet.tasks.espnet3 import launch

if __name__ == "__main__":
    launch()
