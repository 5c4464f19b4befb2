"""Run the jobs of a recipe, once each; resume them; keep nothing alive."""
